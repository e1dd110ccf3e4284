import { TYPES, pgSelect } from 'postgraphile/@dataplan/pg'
import { connection, context, lambda, list } from 'postgraphile/grafast'
import { changeNullability, extendSchema, gql, pgSmartTags, wrapPlans } from 'postgraphile/utils'

// Beside the table account_events, the type of its events wants another name.
const names = pgSmartTags([
  { kind: 'type', match: 'account_event', tags: { name: 'account_event_kind' } },
])

// The signed-in user and their family are in the token; nobody should have to send them again.
const own = extendSchema((build) => {
  const { sql } = build
  const { tasks, users } = build.pgResources
  const version = ($row) => $row.get('row_version')
  return {
    typeDefs: gql`
      extend type Query {
        currentUser: User
        familyTask(id: UUID!): Task
        """
        The first page of what allTasks has, by the two indexes that keep it in this order.
        """
        newestTasks(first: Int!): TaskPage!
      }
      type TaskPage {
        items: [Task!]!
        next: String
      }
      extend type Task {
        version: Int!
      }
      extend type User {
        version: Int!
      }
    `,
    objects: {
      Query: {
        plans: {
          currentUser: () => users.get({ id: context().get('userId') }),
          familyTask: (_, { $id }) => tasks.get({ family_id: context().get('familyId'), id: $id }),
          newestTasks(_, { $first }) {
            const ends = ($select) => {
              const limit = sql`${$select.placeholder($first, TYPES.int)} + 1`
              return sql`(
                (select * from app.tasks
                 where visibility = 'family'
                 order by created_at desc, id desc limit ${limit})
                union all
                (select * from app.tasks
                 where visibility = 'private' and user_id = app.current_user_id()
                 order by created_at desc, id desc limit ${limit})
              )`
            }
            const $tasks = pgSelect({ resource: tasks, identifiers: [], from: { callback: ends } })
            $tasks.orderBy({ attribute: 'created_at', direction: 'DESC' })
            $tasks.orderBy({ attribute: 'id', direction: 'DESC' })
            $tasks.setOrderIsUnique()
            const $page = connection($tasks)
            $page.setFirst($first)
            return $page
          },
        },
      },
      TaskPage: {
        plans: {
          items: ($page) => $page.nodes(),
          next($page) {
            const $info = $page.pageInfo()
            return lambda(list([$info.get('hasNextPage'), $info.get('endCursor')]), cursorOf, true)
          },
        },
      },
      Task: { plans: { version } },
      User: { plans: { version } },
    },
  }
})

// PostGraphile's cursor holds where the page ends; this says it as the other peers do.
function cursorOf([hasNextPage, endCursor]) {
  if (!hasNextPage) return null
  const [, at, id] = JSON.parse(Buffer.from(endCursor, 'base64'))
  return `${Math.floor(Date.parse(at) / 1000)}${at.slice(20, 26)}_${id}`
}

const optional = changeNullability({ TaskInput: { familyId: true, userId: true } })
const inOwnName = wrapPlans({
  Mutation: {
    createTask(plan) {
      const $familyId = context().get('familyId')
      const $userId = context().get('userId')
      const $payload = plan()
      const $task = $payload.get('result')
      $task.set('family_id', $familyId)
      $task.set('user_id', $userId)
      return $payload
    },
  },
})

export const plugins = [names, own, optional, inOwnName]
