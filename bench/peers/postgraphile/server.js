import { createServer } from 'node:http'
import cluster from 'node:cluster'
import { createVerifier } from 'fast-jwt'
import { defaultMaskError } from 'postgraphile/grafserv'
import { grafserv } from 'postgraphile/grafserv/node'
import { GraphQLError } from 'postgraphile/graphql'
import { postgraphile } from 'postgraphile'
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber'
import { makePgService } from 'postgraphile/adaptors/pg'
import { plugins } from './schema.js'

const { DATABASE_URL, JWT_SECRET, PORT = '5678', POOL_SIZE = '10', WORKERS = '1' } = process.env

const verify = createVerifier({
  key: JWT_SECRET,
  algorithms: ['HS256'],
  allowedIss: 'hearth',
  allowedAud: 'hearth',
  requiredClaims: ['exp', 'sub', 'iss', 'aud'],
  cache: 10_000, // verified tokens, each until it expires
})

function claimsOf(authorization = '') {
  try {
    return verify(authorization.replace(/^bearer /i, ''))
  } catch {
    throw Object.assign(new Error('Sign in first.'), { statusCode: 401 })
  }
}

const service = makePgService({
  connectionString: DATABASE_URL,
  schemas: ['app'],
  pubsub: false,
  poolConfig: { max: Number(POOL_SIZE), options: '-c timezone=UTC' },
})

// PostGraphile sets pgSettings at the beginning of each transaction; what it runs there has to find
// them asserted. Without settings it only looks at the catalog, when it starts.
function createWithPgClient(...options) {
  const withPgClient = service.adaptor.createWithPgClient(...options)
  const asserted = (pgSettings, callback) =>
    withPgClient(pgSettings, async (client) => {
      if (pgSettings) {
        await client.query({ name: 'assert', text: 'select app.assert_membership()' })
      }
      return callback(client)
    })
  asserted.release = withPgClient.release
  return asserted
}

// What the schema and its policies refuse is told; everything else is masked.
const TOLD = new Set(['ZH001', 'ZH003', 'ZH005', '42501', '23502', '23503', '23505', '23514'])

function maskError(error) {
  const { code, message } = error.originalError ?? {}
  if (!TOLD.has(code)) return defaultMaskError(error)
  const { nodes, source, positions, path } = error
  return new GraphQLError(message, { nodes, source, positions, path, extensions: { code } })
}

const preset = {
  extends: [PostGraphileAmberPreset],
  plugins,
  pgServices: [{ ...service, adaptor: { ...service.adaptor, createWithPgClient } }],
  grafserv: { graphqlPath: '/graphql', graphiql: false, websockets: false, watch: false, maskError },
  grafast: {
    explain: false,
    context(request) {
      const claims = claimsOf(request.node?.req.headers.authorization)
      return {
        userId: claims.sub,
        familyId: claims.family_id,
        pgSettings: {
          'app.user_id': claims.sub,
          'app.session_id': claims.sid ?? '',
          'app.family_id': claims.family_id ?? '',
          'app.member_role': claims.role ?? '',
        },
      }
    },
  },
}

if (cluster.isPrimary && Number(WORKERS) > 1) {
  for (let n = 0; n < Number(WORKERS); n += 1) cluster.fork()
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers)) worker.kill()
  })
} else {
  const server = createServer()
  const served = postgraphile(preset).createServ(grafserv)
  await served.addTo(server)
  server.listen(Number(PORT), '127.0.0.1')
  process.on('SIGTERM', () => process.exit(0))
}
