-- What `hearth demo` fills a database with: households, and what they have done in so many days.
--
-- Run by the deployer in the role of app_api and in each person's own context, so every row passes
-- the policies, the checks and the triggers that a client's would: the points in the ledger are
-- those that the triggers write, and the audit trail has it all. COPY is no way, for PostgreSQL
-- refuses it on tables with row level security, to whom that holds. Accounts are made by sign_up
-- and create_invitation, like everybody's.
--
-- Chance is a hash of what it decides about, so that the same seed makes the same households:
-- `dice` are 64 bits, of which each decision takes some. What has a day of its own lies in the
-- past; created was everything when it was loaded.

-- name: list_demo_people
-- Who lives in a household, parents first. The first is its owner.
with names as (
    select
        '{Adler,Berg,Castillo,Dubois,Eriksen,Fontana,Gruber,Hansen,Ito,Jansen,Kowalski,Lindholm,
        Moreau,Novak,Okafor,Petrov}'::text[] as families,
        '{Ada,Ben,Clara,David,Elena,Felix,Grace,Hugo,Irene,Jonas,Karin,Luis,Maria,Nils,Olivia,Paul}'
        ::text[] as parents,
        '{Anton,Bea,Carlo,Dora,Emil,Frida,Gustav,Hanna,Ida,Jakob,Klara,Leo,Mia,Noah,Oskar,Pia}'
        ::text[] as children,
        '{Europe/Vienna,Europe/London,America/New_York,Asia/Tokyo}'::text[] as zones
),

household as (
    select
        n.*,
        hashtextextended(concat('household ', :household::integer), :seed::bigint)
            & ~(1::bigint << 63) as dice
    from names as n
),

people as (
    select
        place,
        h.families[1 + (h.dice & 15)] as family,
        h.zones[1 + (h.dice >> 4 & 3)] as time_zone,
        case
            -- Steps of an odd number past 16 names, so that nobody has a namesake at home.
            when place <= 2 then h.parents[1 + ((h.dice >> 8) + place * 5 & 15)]
            else h.children[1 + ((h.dice >> 12) + place * 3 & 15)]
        end as first
    from household as h
    cross join lateral generate_series(1, 2 + (h.dice >> 16) % 3) as place
)

select
    concat(
        lower(p.first collate "C"), '.', lower(p.family collate "C"), :household, '-', :seed,
        '@demo.example'
    ) as email,
    concat(p.first, ' ', p.family) as full_name,
    concat('The ', p.family, 's') as family_name,
    p.time_zone,
    case p.place when 1 then 'owner' when 2 then 'admin' else 'member' end as role
from people as p
order by p.place;

-- name: demo_tasks
-- One in eight days has a task. Most of those that were due are done, about the time they were.
with today as (
    select (now() at time zone f.time_zone)::date as today, f.time_zone
    from app.families as f
    where f.id = :family_id
),

titles as (
    select
        '{Water the plants,Take out the rubbish,Buy milk,Call grandma,Pay the electricity bill,
        Clean the windows,Book the dentist,Mend the bicycle,Return the library books,Do the laundry,
        Hoover the stairs,Bake a cake,Renew the passports,Feed the cat next door,Sort the photos,
        Descale the kettle}'::text[] as titles
),

planned as (
    select
        today.today + day as due_on,
        ((today.today + day)::timestamp + (dice >> 4 & 63) * interval '15 minutes')
            at time zone today.time_zone as done_at,
        titles.titles[1 + (dice >> 12 & 15)] as title,
        case when dice >> 16 & 3 > 0 then 'family' else 'private' end::app.visibility as visibility,
        (1 + (dice >> 20 & 3))::integer as points,
        dice >> 24 & 7 > 0 as is_done
    from today
    cross join titles
    cross join generate_series(-:days::integer, 10) as day
    cross join hashtextextended(concat(:key::text, ' task ', day), 0) as dice
    where dice & 7 = 0
)

insert into app.tasks as t (
    family_id, user_id, title, due_on, visibility, points, completed_at
)
select
    :family_id, :user_id, p.title, p.due_on, p.visibility, p.points,
    case when p.is_done and p.done_at < now() then p.done_at end
from planned as p;

-- name: demo_conversations
with talks (title, lines) as (
    values
        (
            'Dinner this week',
            '{What can I cook with lentils and carrots?,
            "A soup, a salad or a dal. A dal takes half an hour.",
            And for a child who eats nothing orange?,Cook the carrots until they fall apart.}'
            ::text[]
        ),
        (
            'A birthday party',
            '{"Eight children, two hours, rain. Ideas?",
            "A treasure hunt through the flat, then cake.",
            How many clues?,One for each child and one for the cake.}'
        ),
        (
            'Sleeping better',
            '{Why do I wake up at four?,"Often it is light, warmth or late coffee.",It is coffee.,
            Then none after lunch for a week.}'
        )
),

begun as (
    insert into app.conversations as c (family_id, user_id, title)
    select :family_id, :user_id, t.title
    from talks as t
    cross join hashtextextended(concat(:key::text, ' talk ', t.title), 0) as dice
    where dice & 3 = 0 or t.title = 'Dinner this week'
    returning c.id, c.title
)

insert into app.messages as m (family_id, user_id, conversation_id, role, content)
select
    :family_id, :user_id, b.id,
    case n % 2 when 1 then 'user' else 'assistant' end::app.message_role,
    line
from begun as b
inner join talks as t on t.title = b.title
cross join unnest(t.lines) with ordinality as said (line, n)
order by b.title, n;

-- name: demo_exercises
-- The catalogue of a family.
insert into app.exercises as x (family_id, user_id, name, description, points)
select :family_id, :user_id, name, description, points
from (
    values
        ('Squat', 'As deep as the knees like it.', 2),
        ('Push-up', 'On the knees is fine.', 1),
        ('Running', null, 3),
        ('Plank', 'Hips down.', 1),
        ('Hula hoop', null, 1)
) as catalogue (name, description, points);

-- name: demo_exercise_logs
-- Some train, each exercise about twice in five weeks, and get better at it.
insert into app.exercise_logs as l (
    family_id, user_id, exercise_id, performed_on, sets, reps, weight_kg, duration_s, distance_m
)
select
    :family_id, :user_id, x.id,
    (now() at time zone f.time_zone)::date + day,
    case when x.name in ('Squat', 'Push-up') then 3 end,
    case x.name
        when 'Squat' then 5 + (dice >> 4 & 3)
        when 'Push-up' then 6 + progress + (dice >> 4 & 3)
    end,
    case when x.name = 'Squat' then 30 + 2.5 * (progress + (dice >> 8 & 3)) end,
    case x.name
        when 'Running' then 1500 + 60 * progress + (dice >> 4 & 255)
        when 'Plank' then 30 + 5 * progress + (dice >> 4 & 15)
        when 'Hula hoop' then 120
    end,
    case when x.name = 'Running' then 4000 + 300 * progress + (dice >> 12 & 511) end
from app.exercises as x
inner join app.families as f on f.id = x.family_id
cross join generate_series(1 - :days::integer, 0) as day
cross join lateral (values (10 * (:days::integer + day) / :days::integer)) as so_far (progress)
cross join hashtextextended(concat(:key::text, ' exercise ', x.name, day), 0) as dice
where
    x.family_id = :family_id
    and f.id = :family_id
    and (:is_owner::boolean or hashtextextended(:key::text, 0) & 3 = 0)
    and dice & 31 < 2;

-- name: demo_habits
-- An owner has a habit of each type and by each schedule, others have one or none. A day is missed
-- now and then, and in some weeks often.
with today as (
    select (now() at time zone f.time_zone)::date as today
    from app.families as f
    where f.id = :family_id
),

chosen as (
    insert into app.habits as h (
        family_id, user_id, name, type, target_value, unit, weekdays, times_per_week, points,
        visibility
    )
    select
        :family_id, :user_id, name, type::app.habit_type, target_value, unit,
        weekdays::smallint[], times_per_week::smallint, points, visibility::app.visibility
    from (
        values
            ('Stretch', 'boolean', null, null, '{1,3,5}', null, 1, 'family'),
            ('Read', 'numeric', 20, 'pages', null, 3, 2, 'family'),
            ('Practise the piano', 'duration', 15, null, '{2,4,6}', null, 2, 'family'),
            ('Learn the ukulele', 'duration', 10, null, null, 2, 1, 'private'),
            ('Drink water', 'numeric', 6, 'glasses', '{1,2,3,4,5,6,7}', null, 1, 'private'),
            ('Meditate', 'duration', 10, null, null, 3, 2, 'private'),
            ('Make the bed', 'boolean', null, null, '{1,2,3,4,5}', null, 1, 'family'),
            ('Call a friend', 'boolean', null, null, null, 1, 3, 'private')
    ) as habits (
        name, type, target_value, unit, weekdays, times_per_week, points, visibility
    )
    cross join hashtextextended(concat(:key::text, ' habit ', name), 0) as dice
    where dice & 15 < 1
        or :is_owner::boolean and name in ('Stretch', 'Read', 'Learn the ukulele')
    returning h.*
),

days as (
    select
        c.*,
        today.today + day as logged_on,
        round(c.target_value * (80 + (dice >> 12 & 63)) / 100) as value
    from chosen as c
    cross join today
    cross join generate_series(1 - :days::integer, 0) as day
    cross join hashtextextended(concat(:key::text, ' log ', c.name, day), 0) as dice
    cross join hashtextextended(concat(:key::text, ' week ', c.name, day / 7), 0) as week
    where
        case
            when c.weekdays is not null
                then extract(isodow from today.today + day) = any(c.weekdays)
            else dice >> 20 & 7 < c.times_per_week
        end
        and dice & 15 < case when week & 3 = 0 then 7 else 14 end
)

insert into app.habit_logs as l (
    family_id, habit_id, logged_on, user_id, visibility, type, value, is_done
)
select
    :family_id, d.id, d.logged_on, d.user_id, d.visibility, d.type, d.value,
    coalesce(d.value >= d.target_value, true)
from days as d;

-- name: demo_routines
-- In their first version. The one that the family shares is its owner's.
with made as (
    insert into app.routines as r (family_id, user_id, name, description, visibility, points)
    select :family_id, :user_id, name, description, visibility::app.visibility, points
    from (
        values
            ('Morning', 'Out of the house by eight.', 'family', 2),
            ('Evening', null, 'private', 1)
    ) as routines (name, description, visibility, points)
    where (visibility = 'family') = :is_owner::boolean
    returning r.*
),

saved as (
    insert into app.routine_versions as v (
        family_id, routine_id, version, user_id, routine_visibility, saved_visibility, author_id
    )
    select :family_id, m.id, m.version, m.user_id, m.visibility, m.visibility, m.user_id
    from made as m
    returning v.*
)

insert into app.routine_steps as s (
    family_id, routine_id, version, position, user_id, visibility, title, minutes
)
select
    :family_id, m.id, v.version, row_number() over (partition by m.id order by step.position),
    v.user_id, v.visibility, step.title, step.minutes
from made as m
inner join saved as v on v.routine_id = m.id
inner join (
    values
        ('Morning', 1, 'Get up', 5),
        ('Morning', 2, 'Breakfast', 20),
        ('Evening', 1, 'Tidy up', 10),
        ('Evening', 2, 'Read', 30)
) as step (routine, position, title, minutes) on step.routine = m.name;

-- name: demo_routine_change
-- The next version of one's routines: the same steps, and one more.
with changed as (
    update app.routines as r
    set version = r.version + 1
    where r.family_id = :family_id and r.user_id = :user_id
    returning r.id, r.version, r.user_id, r.visibility
),

saved as (
    insert into app.routine_versions as v (
        family_id, routine_id, version, user_id, routine_visibility, saved_visibility, author_id
    )
    select :family_id, c.id, c.version, c.user_id, c.visibility, c.visibility, :user_id
    from changed as c
    returning v.*
)

insert into app.routine_steps as s (
    family_id, routine_id, version, position, user_id, visibility, title, minutes
)
select :family_id, c.routine_id, c.version, s.position, c.user_id, c.visibility, s.title, s.minutes
from saved as c
inner join app.routine_steps as s
    on s.family_id = :family_id and s.routine_id = c.routine_id and s.version = c.version - 1
union all
select
    :family_id, c.routine_id, c.version, c.version + 1, c.user_id, c.visibility,
    case c.version when 2 then 'Teeth' when 3 then 'Pack the bag' else 'Breathe' end, 3
from saved as c;

-- name: demo_routine_completions
-- Of one's own and of what the family shares, each day in the version of its time.
insert into app.routine_completions as d (
    family_id, routine_id, user_id, completed_on, owner_id, visibility, version
)
select
    :family_id, r.id, :user_id, (now() at time zone f.time_zone)::date + day,
    r.user_id, r.visibility, 1 + r.version * (:days::integer + day - 1) / :days::integer
from app.routines as r
inner join app.families as f on f.id = r.family_id
cross join generate_series(1 - :days::integer, 0) as day
cross join hashtextextended(concat(:key::text, ' routine ', r.name, day), 0) as dice
where
    r.family_id = :family_id
    and f.id = :family_id
    and (r.user_id = :user_id or r.visibility = 'family')
    and dice & 15 < case when r.user_id = :user_id then 4 else 1 end
returning d.version;

-- name: demo_retire
-- What was given up, and can be restored.
with habits as (
    update app.habits as h
    set deleted_at = now()
    where h.family_id = :family_id and h.user_id = :user_id and h.name = 'Learn the ukulele'
)

update app.exercises as x
set deleted_at = now()
where x.family_id = :family_id and x.user_id = :user_id and x.name = 'Hula hoop'
returning x.id;

-- name: count_demo
-- How many accounts are a demo's, and how many are somebody's.
select
    count(*) filter (where u.email like '%@demo.example') as of_demo,
    count(*) filter (where u.email not like '%@demo.example') as of_others
from app.users as u;

-- name: find_demo_household
-- Whether a household is there already, by the address of its owner.
select exists (
    select from app.users as u where app.text_key(u.email) = app.text_key(:email)
) as is_there;
