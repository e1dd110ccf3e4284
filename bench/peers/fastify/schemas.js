const day = { type: 'string', format: 'date' }
const visibility = { enum: ['private', 'family'] }
const points = { type: 'integer', minimum: 0, maximum: 1000 }
const title = { type: 'string', minLength: 1, maxLength: 200, pattern: '\\S' }
const text = { type: ['string', 'null'], maxLength: 1000 }
const nullableDay = { type: ['string', 'null'], format: 'date' }
const object = (properties, more) => ({
  type: 'object',
  properties,
  additionalProperties: false,
  ...more,
})
const path = (name, more) => object({ [name]: { type: 'string', format: 'uuid' }, ...more })

export const taskParams = path('task_id')
export const habitParams = path('habit_id')
export const habitDayParams = path('habit_id', { day })

export const taskFilter = object({
  limit: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
  cursor: { type: 'string', pattern: '^-?[0-9]{1,17}_[0-9a-f-]{36}$' },
  is_completed: { type: 'boolean' },
  due_from: day,
  due_to: day,
})

export const taskCreate = object(
  {
    title,
    description: text,
    due_on: nullableDay,
    visibility: { ...visibility, default: 'private' },
    points: { ...points, default: 1 },
    is_completed: { type: 'boolean', default: false },
  },
  { required: ['title'] },
)

export const taskPatch = object(
  {
    title,
    description: text,
    due_on: nullableDay,
    visibility,
    points,
    is_completed: { type: 'boolean' },
  },
  { minProperties: 1 },
)

export const habitLogPut = object(
  {
    is_done: { type: 'boolean' },
    value: { type: 'number', minimum: 0, maximum: 1000000 },
    note: text,
  },
  { oneOf: [{ required: ['is_done'] }, { required: ['value'] }] },
)

export const leaderboardPeriod = object({
  period: { enum: ['week', 'month', 'all'], default: 'week' },
  day,
})

export const period = object({ from: day, to: day })
