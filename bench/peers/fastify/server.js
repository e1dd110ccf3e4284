import cluster from 'node:cluster'
import { build } from './app.js'

const workers = Number(process.env.WORKERS ?? 1)

if (cluster.isPrimary && workers > 1) {
  for (let n = 0; n < workers; n += 1) cluster.fork()
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers)) worker.kill()
  })
} else {
  const app = build()
  await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 3000) })
  process.on('SIGTERM', () => process.exit(0))
}
