import { context } from 'postgraphile/grafast'
import { changeNullability, extendSchema, gql, pgSmartTags, wrapPlans } from 'postgraphile/utils'

const tags = pgSmartTags([
  // Beside the table account_events, the type of its events wants another name.
  { kind: 'type', match: 'account_event', tags: { name: 'account_event_kind' } },
  // Its indexes begin with the family, which row level security fills in.
  { kind: 'attribute', match: 'app.tasks.created_at', tags: { behavior: '+orderBy' } },
])

// The signed-in user and their family are in the token; nobody should have to send them again.
const own = extendSchema((build) => {
  const { tasks, users } = build.pgResources
  const version = { plan: ($row) => $row.get('row_version') }
  return {
    typeDefs: gql`
      extend type Query {
        currentUser: User
        familyTask(id: UUID!): Task
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
        },
      },
      Task: { plans: { version } },
      User: { plans: { version } },
    },
  }
})

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

export const plugins = [tags, own, optional, inOwnName]
