import { readFileSync } from 'node:fs'

const TASK = `id, user_id, title, description, due_on, visibility, points, is_completed,
  completed_at, created_at, updated_at, row_version`

const LOG = `habit_id, logged_on, trim_scale(value) as value,
  trim_scale(target_value) as target_value, is_done, note, created_at, updated_at, row_version`

// A name for each text: node-postgres prepares a named statement once per connection.
const named = new Map()
function query(text, values) {
  if (!named.has(text)) named.set(text, `q${named.size}`)
  return { name: named.get(text), text, values }
}

// One row with the page in it: twenty rows cost node-postgres more than the aggregate PostgreSQL.
export function listTasks(userId, familyId, { limit, cursor, ...filters }) {
  const values = [familyId, userId, limit]
  const bind = (value) => `$${values.push(value)}`
  const conditions = []
  if (cursor) {
    const [at, id] = cursor.split('_')
    conditions.push(`(created_at, id) < (
      timestamptz 'epoch' + ${bind(at)}::bigint * interval '1 microsecond', ${bind(id)})`)
  }
  if (filters.is_completed !== undefined) {
    conditions.push(`is_completed = ${bind(filters.is_completed)}`)
  }
  if (filters.due_from) conditions.push(`due_on >= ${bind(filters.due_from)}`)
  if (filters.due_to) conditions.push(`due_on <= ${bind(filters.due_to)}`)
  const where = conditions.map((condition) => ` and ${condition}`).join('')
  return query(
    `with page as materialized (
       (select ${TASK} from app.tasks
        where family_id = $1 and visibility = 'family'${where}
        order by created_at desc, id desc limit $3::int + 1)
       union all
       (select ${TASK} from app.tasks
        where family_id = $1 and user_id = $2 and visibility = 'private'${where}
        order by created_at desc, id desc limit $3 + 1)
       order by created_at desc, id desc limit $3 + 1
     )
     select json_build_object(
       'items',
       (select coalesce(json_agg(row_to_json(t)), '[]') from (select * from page limit $3) as t),
       'next',
       (select (extract(epoch from created_at) * 1000000)::bigint || '_' || id
        from page where exists (select from page offset $3) offset $3 - 1 limit 1)
     )::text`,
    values,
  )
}

export const getTask = (familyId, id) =>
  query(
    `select row_to_json(t)::text
     from (select ${TASK} from app.tasks where family_id = $1 and id = $2) as t`,
    [familyId, id],
  )

export const createTask = (userId, familyId, task) =>
  query(
    `with t as (
       insert into app.tasks (
         family_id, user_id, title, description, due_on, visibility, points, completed_at
       )
       values ($1, $2, $3, $4, $5, $6, $7, case when $8::boolean then now() end)
       returning ${TASK}
     )
     select row_to_json(t)::text from t`,
    [
      familyId,
      userId,
      task.title,
      task.description,
      task.due_on,
      task.visibility,
      task.points,
      task.is_completed,
    ],
  )

// The keys of a patch are those of its schema.
export function updateTask(familyId, id, { is_completed: isCompleted, ...fields }) {
  const values = [familyId, id]
  const changes = Object.entries(fields).map(([key, value]) => `${key} = $${values.push(value)}`)
  if (isCompleted !== undefined) {
    changes.push(isCompleted ? 'completed_at = coalesce(completed_at, now())' : 'completed_at = null')
  }
  return query(
    `with t as (
       update app.tasks set ${changes.join(', ')} where family_id = $1 and id = $2 returning ${TASK}
     )
     select row_to_json(t)::text from t`,
    values,
  )
}

export const getMe = (userId) =>
  query(
    `select row_to_json(u)::text
     from (
       select id, email, full_name, time_zone, is_notified, created_at, updated_at, row_version
       from app.users where id = $1
     ) as u`,
    [userId],
  )

export const putHabitLog = (familyId, habitId, day, log) =>
  query(
    `with l as (
       insert into app.habit_logs as l (
         family_id, habit_id, logged_on, user_id, visibility, type, value, is_done, note
       )
       select family_id, id, $3, user_id, visibility, type, $4, $5, $6
       from app.habits
       where family_id = $1 and id = $2 and is_active
       for key share
       on conflict (family_id, habit_id, logged_on) do update
       set value = excluded.value, is_done = $5, note = excluded.note
       returning ${LOG}
     )
     select row_to_json(l)::text, row_version = 1 from l`,
    [familyId, habitId, day, log.value, log.is_done, log.note],
  )

// These three are long, and SQL is the same in every language: they are Hearth's own, with $1 for
// each :name. This directory and its working copy are as deep, so the path is right in both.
const QUERIES = new URL('../../../sql/queries/service/', import.meta.url)
function fromHearth(file, name, ...parameters) {
  const blocks = readFileSync(new URL(file, QUERIES), 'utf8').split(/^-- name: /m)
  const block = blocks.find((each) => each.startsWith(`${name}\n`))
  if (!block) throw new Error(`${file} has no query ${name}`)
  const text = block
    .slice(name.length)
    .replace(/^ *--.*$/gm, '')
    .replace(/(?<!:):([a-z_]+)/g, (_, key) => `$${parameters.indexOf(key) + 1}`)
  return (...values) => query(text, values)
}

export const getToday = fromHearth('today.sql', 'get_today', 'family_id', 'user_id')
export const getLeaderboard = fromHearth(
  'scores.sql',
  'get_leaderboard',
  'family_id',
  'period',
  'day',
)
export const getHabitStats = fromHearth(
  'habits.sql',
  'get_habit_stats',
  'family_id',
  'habit_id',
  'from_day',
  'to_day',
)
