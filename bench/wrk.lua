-- Sends the requests of a file in turn, from a line on, and writes what came of it as JSON.
--
-- Arguments: the file, and the line. Of a line the fields are separated by tabs: method, path,
-- headers (name: value, separated by bars), body.

local requests, at = {}, 0

function init(args)
    for line in io.lines(args[1]) do
        local method, path, lines, body = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$")
        local headers = {}
        for name, value in lines:gmatch("([^:|]+): ([^|]*)") do
            headers[name] = value
        end
        requests[#requests + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
    end
    at = tonumber(args[2]) % #requests
end

function request()
    at = at % #requests + 1
    return requests[at]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        'bench {"requests": %d, "seconds": %.6f, "p50_us": %d, "p99_us": %d,'
            .. ' "refused": %d, "broken": %d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
        errors.status, errors.connect + errors.read + errors.write + errors.timeout
    ))
end
