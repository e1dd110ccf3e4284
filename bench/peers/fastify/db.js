import pg from 'pg'

const DATE = 1082
const TIMESTAMPTZ = 1184

// What PostgreSQL writes of them is what the client gets.
for (const type of [DATE, TIMESTAMPTZ]) pg.types.setTypeParser(type, (text) => text)

const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  max: Number(process.env.POOL_SIZE ?? 10),
  pipeline: true,
  options: '-c timezone=UTC',
})

pool.on('error', console.error) // of an idle connection; else it would end the process

const CONTEXT = `
  select
    set_config('app.user_id', $1, true), set_config('app.session_id', $2, true),
    set_config('app.family_id', $3, true), set_config('app.member_role', $4, true),
    app.assert_membership()`

// The whole transaction is sent without waiting: one round trip. Where the context does not hold,
// PostgreSQL refuses the query behind it too, and makes a rollback of the commit.
async function transact(begin, context, query) {
  const client = await pool.connect()
  const results = await Promise.allSettled([
    client.query(begin),
    client.query({ name: 'context', text: CONTEXT, values: context, rowMode: 'array' }),
    client.query({ ...query, rowMode: 'array' }),
    client.query('commit'),
  ])
  client.release()
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
  return results[2].value.rows
}

export const read = (context, query) => transact('begin read only', context, query)
export const write = (context, query) => transact('begin', context, query)
