package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

const (
	taskColumns = `id, user_id, title, description, due_on, visibility, points, is_completed,
		completed_at, created_at, updated_at, row_version`
	logColumns = `habit_id, logged_on, trim_scale(value) as value,
		trim_scale(target_value) as target_value, is_done, note, created_at, updated_at, row_version`
)

type query struct {
	text   string
	values []any
}

// bind adds a value and returns its parameter.
func (q *query) bind(value any) string {
	q.values = append(q.values, value)
	return fmt.Sprintf("$%d", len(q.values))
}

func listTasks(c tenant, f taskFilter) query {
	q := query{values: []any{c.familyID, c.userID, f.limit}}
	where := ""
	if f.cursor != "" {
		at, id, _ := strings.Cut(f.cursor, "_")
		where += fmt.Sprintf(
			" and (created_at, id) < (timestamptz 'epoch' + %s::bigint * interval '1 microsecond', %s)",
			q.bind(at), q.bind(id))
	}
	if f.isCompleted != "" {
		where += " and is_completed = " + q.bind(f.isCompleted)
	}
	if f.dueFrom != "" {
		where += " and due_on >= " + q.bind(f.dueFrom)
	}
	if f.dueTo != "" {
		where += " and due_on <= " + q.bind(f.dueTo)
	}
	q.text = `
		with page as materialized (
			(select ` + taskColumns + ` from app.tasks
			where family_id = $1 and visibility = 'family'` + where + `
			order by created_at desc, id desc limit $3::int + 1)
			union all
			(select ` + taskColumns + ` from app.tasks
			where family_id = $1 and user_id = $2 and visibility = 'private'` + where + `
			order by created_at desc, id desc limit $3 + 1)
			order by created_at desc, id desc limit $3 + 1
		)
		select json_build_object(
			'items',
			(select coalesce(json_agg(row_to_json(t)), '[]') from (select * from page limit $3) as t),
			'next',
			(select (extract(epoch from created_at) * 1000000)::bigint || '_' || id
			from page where exists (select from page offset $3) offset $3 - 1 limit 1)
		)::text`
	return q
}

func getTask(c tenant, id string) query {
	return query{
		`select row_to_json(t)::text
		from (select ` + taskColumns + ` from app.tasks where family_id = $1 and id = $2) as t`,
		[]any{c.familyID, id},
	}
}

func createTask(c tenant, t taskCreate) query {
	return query{
		`with t as (
			insert into app.tasks (
				family_id, user_id, title, description, due_on, visibility, points, completed_at
			)
			values ($1, $2, $3, $4, $5, $6, $7, case when $8::boolean then now() end)
			returning ` + taskColumns + `
		)
		select row_to_json(t)::text from t`,
		[]any{
			c.familyID, c.userID, t.Title, t.Description, t.DueOn, t.Visibility, t.Points, t.IsCompleted,
		},
	}
}

func updateTask(c tenant, id string, p taskPatch) query {
	q := query{values: []any{c.familyID, id}}
	var changes []string
	set := func(column string, given bool, value any) {
		if given {
			changes = append(changes, column+" = "+q.bind(value))
		}
	}
	set("title", p.Title != nil, p.Title)
	set("description", p.Description.given, p.Description.value)
	set("due_on", p.DueOn.given, p.DueOn.value)
	set("visibility", p.Visibility != nil, p.Visibility)
	set("points", p.Points != nil, p.Points)
	if p.IsCompleted != nil && *p.IsCompleted {
		changes = append(changes, "completed_at = coalesce(completed_at, now())")
	} else if p.IsCompleted != nil {
		changes = append(changes, "completed_at = null")
	}
	q.text = `
		with t as (
			update app.tasks set ` + strings.Join(changes, ", ") + `
			where family_id = $1 and id = $2 returning ` + taskColumns + `
		)
		select row_to_json(t)::text from t`
	return q
}

func getMe(c tenant) query {
	return query{
		`select row_to_json(u)::text
		from (
			select id, email, full_name, time_zone, is_notified, created_at, updated_at, row_version
			from app.users where id = $1
		) as u`,
		[]any{c.userID},
	}
}

func putHabitLog(c tenant, habitID, day string, l habitLogPut) query {
	return query{
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
			returning ` + logColumns + `
		)
		select row_to_json(l)::text, row_version = 1 from l`,
		[]any{c.familyID, habitID, day, l.Value, l.IsDone, l.Note},
	}
}

// Three are long, and SQL is the same in every language: they are Hearth's own, with $1 for each
// :name. The working copy is as deep below the checkout as the peer's directory.
var (
	today       = fromHearth("today.sql", "get_today", "family_id", "user_id")
	leaderboard = fromHearth("scores.sql", "get_leaderboard", "family_id", "period", "day")
	habitStats  = fromHearth(
		"habits.sql", "get_habit_stats", "family_id", "habit_id", "from_day", "to_day",
	)
)

func getToday(c tenant) query {
	return query{today, []any{c.familyID, c.userID}}
}

func getLeaderboard(c tenant, period, day string) query {
	return query{leaderboard, []any{c.familyID, period, orNull(day)}}
}

func getHabitStats(c tenant, id, from, to string) query {
	return query{habitStats, []any{c.familyID, id, orNull(from), orNull(to)}}
}

var (
	comments = regexp.MustCompile(`(?m)^ *--.*$`)
	names    = regexp.MustCompile(`::?[a-z_]+`)
)

func fromHearth(file, name string, parameters ...string) string {
	content, err := os.ReadFile("../../../sql/queries/service/" + file)
	if err != nil {
		panic(err)
	}
	_, block, isThere := strings.Cut(string(content), "-- name: "+name+"\n")
	if !isThere {
		panic(file + " has no query " + name)
	}
	block, _, _ = strings.Cut(block, "-- name: ")
	return names.ReplaceAllStringFunc(comments.ReplaceAllString(block, ""), func(found string) string {
		for n, parameter := range parameters {
			if found == ":"+parameter {
				return fmt.Sprintf("$%d", n+1)
			}
		}
		return found
	})
}
