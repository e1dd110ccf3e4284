import Fastify from 'fastify'
import { createVerifier } from 'fast-jwt'
import { read, write } from './db.js'
import * as queries from './queries.js'
import * as schemas from './schemas.js'

const verify = createVerifier({
  key: process.env.JWT_SECRET,
  algorithms: ['HS256'],
  allowedIss: 'hearth',
  allowedAud: 'hearth',
  requiredClaims: ['exp', 'sub', 'iss', 'aud'],
  cache: 10_000, // verified tokens, each until it expires
})

const STATUSES = {
  ZH001: 401,
  ZH002: 409,
  ZH003: 403,
  ZH005: 409,
  42501: 403,
  23502: 422,
  23503: 409,
  23505: 409,
  23514: 422,
}

function fail(statusCode, message) {
  return Object.assign(new Error(message), { statusCode })
}

export function build() {
  const app = Fastify({ ajv: { customOptions: { removeAdditional: false } } })

  app.decorateRequest('claims', null)
  app.addHook('onRequest', async (request) => {
    const [scheme, token] = (request.headers.authorization ?? '').split(' ')
    if (scheme.toLowerCase() !== 'bearer' || !token) throw fail(401, 'Sign in first.')
    try {
      request.claims = verify(token)
    } catch {
      throw fail(401, 'Sign in first.')
    }
  })

  app.setErrorHandler((error, request, reply) => {
    const status = error.validation ? 422 : (error.statusCode ?? STATUSES[error.code] ?? 500)
    if (status === 500) console.error(error)
    reply.code(status).send({ status, title: status === 500 ? 'Something went wrong.' : error.message })
  })

  // PostgreSQL has written the JSON.
  const send = (reply, json) => reply.type('application/json; charset=utf-8').send(json)

  function inFamily({ claims: { sub, sid, family_id: familyId, role } }) {
    if (!familyId) throw fail(403, 'You have not chosen a family.')
    return [sub, sid ?? '', familyId, role]
  }

  async function sendOne(reply, rows) {
    const [row] = await rows
    if (!row) throw fail(404, 'This does not exist, or you cannot see it.')
    const [json, isNew] = row
    if (isNew) reply.code(201)
    return send(reply, json)
  }

  app.get('/v1/me', (request, reply) => {
    const { sub, sid } = request.claims
    return sendOne(reply, read([sub, sid ?? '', '', ''], queries.getMe(sub)))
  })

  app.get('/v1/tasks', { schema: { querystring: schemas.taskFilter } }, (request, reply) => {
    const context = inFamily(request)
    return sendOne(reply, read(context, queries.listTasks(context[0], context[2], request.query)))
  })

  app.post('/v1/tasks', { schema: { body: schemas.taskCreate } }, (request, reply) => {
    const context = inFamily(request)
    reply.code(201)
    return sendOne(reply, write(context, queries.createTask(context[0], context[2], request.body)))
  })

  app.get('/v1/tasks/:task_id', { schema: { params: schemas.taskParams } }, (request, reply) => {
    const context = inFamily(request)
    return sendOne(reply, read(context, queries.getTask(context[2], request.params.task_id)))
  })

  app.patch(
    '/v1/tasks/:task_id',
    { schema: { params: schemas.taskParams, body: schemas.taskPatch } },
    (request, reply) => {
      const context = inFamily(request)
      const query = queries.updateTask(context[2], request.params.task_id, request.body)
      return sendOne(reply, write(context, query))
    },
  )

  app.put(
    '/v1/habits/:habit_id/logs/:day',
    { schema: { params: schemas.habitDayParams, body: schemas.habitLogPut } },
    (request, reply) => {
      const context = inFamily(request)
      const { habit_id: habitId, day } = request.params
      return sendOne(reply, write(context, queries.putHabitLog(context[2], habitId, day, request.body)))
    },
  )

  app.get(
    '/v1/habits/:habit_id/stats',
    { schema: { params: schemas.habitParams, querystring: schemas.period } },
    (request, reply) => {
      const context = inFamily(request)
      const { from, to } = request.query
      const query = queries.getHabitStats(context[2], request.params.habit_id, from, to)
      return sendOne(reply, read(context, query))
    },
  )

  app.get('/v1/today', (request, reply) => {
    const context = inFamily(request)
    return sendOne(reply, read(context, queries.getToday(context[2], context[0])))
  })

  app.get(
    '/v1/leaderboard',
    { schema: { querystring: schemas.leaderboardPeriod } },
    (request, reply) => {
      const context = inFamily(request)
      const { period, day } = request.query
      return sendOne(reply, read(context, queries.getLeaderboard(context[2], period, day)))
    },
  )

  return app
}
