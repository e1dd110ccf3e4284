// Hearth's endpoints in Go: net/http, pgx and SQL by hand.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"runtime"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

type problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
}

func (p problem) Error() string { return p.Title }

func invalid(why string) problem { return problem{http.StatusUnprocessableEntity, why} }

var (
	errUnauthenticated = problem{http.StatusUnauthorized, "Sign in first."}
	errNoFamily        = problem{http.StatusForbidden, "You have not chosen a family."}
	errNotFound        = problem{http.StatusNotFound, "This does not exist, or you cannot see it."}
)

var statuses = map[string]int{
	"ZH001": http.StatusUnauthorized,
	"ZH002": http.StatusConflict,
	"ZH003": http.StatusForbidden,
	"ZH005": http.StatusConflict,
	"42501": http.StatusForbidden,
	"23502": http.StatusUnprocessableEntity,
	"23503": http.StatusConflict,
	"23505": http.StatusConflict,
	"23514": http.StatusUnprocessableEntity,
}

func problemOf(err error) problem {
	var p problem
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, pgx.ErrNoRows):
		return errNotFound
	case errors.As(err, &refused) && statuses[refused.Code] != 0:
		return problem{statuses[refused.Code], refused.Message}
	}
	log.Print(err)
	return problem{http.StatusInternalServerError, "Something went wrong."}
}

type service struct {
	database *database
	verifier *verifier
}

// An endpoint returns the status and the JSON that PostgreSQL has written.
type endpoint func(r *http.Request, c tenant) (int, string, error)

func (s *service) personal(next endpoint) http.HandlerFunc {
	return s.handle(next, func(c *claims) (tenant, error) { return c.personal(), nil })
}

func (s *service) inFamily(next endpoint) http.HandlerFunc {
	return s.handle(next, func(c *claims) (tenant, error) {
		if c.FamilyID == "" {
			return tenant{}, errNoFamily
		}
		return c.inFamily(), nil
	})
}

func (s *service) handle(next endpoint, of func(*claims) (tenant, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var status int
		var body string
		var whose tenant
		claims, err := s.verifier.claims(r)
		if err == nil {
			whose, err = of(claims)
		}
		if err == nil {
			status, body, err = next(r, whose)
		}
		if err != nil {
			p := problemOf(err)
			text, _ := json.Marshal(p)
			status, body = p.Status, string(text)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// ok responds with the row of a query.
func (s *service) ok(r *http.Request, c tenant, q query) (int, string, error) {
	var body string
	err := s.database.one(r.Context(), c, q, &body)
	return http.StatusOK, body, err
}

func (s *service) getMe(r *http.Request, c tenant) (int, string, error) {
	return s.ok(r, c, getMe(c))
}

func (s *service) listTasks(r *http.Request, c tenant) (int, string, error) {
	filter, err := readFilter(r.URL.Query())
	if err != nil {
		return 0, "", err
	}
	return s.ok(r, c, listTasks(c, filter))
}

func (s *service) createTask(r *http.Request, c tenant) (int, string, error) {
	body := taskCreate{Visibility: "private", Points: 1}
	if err := readBody(r, &body); err != nil {
		return 0, "", err
	}
	_, row, err := s.ok(r, c, createTask(c, body))
	return http.StatusCreated, row, err
}

func (s *service) getTask(r *http.Request, c tenant) (int, string, error) {
	id, err := idOf(r, "task_id")
	if err != nil {
		return 0, "", err
	}
	return s.ok(r, c, getTask(c, id))
}

func (s *service) updateTask(r *http.Request, c tenant) (int, string, error) {
	id, err := idOf(r, "task_id")
	if err != nil {
		return 0, "", err
	}
	patch, err := readPatch(r)
	if err != nil {
		return 0, "", err
	}
	return s.ok(r, c, updateTask(c, id, patch))
}

func (s *service) putHabitLog(r *http.Request, c tenant) (int, string, error) {
	id, err := idOf(r, "habit_id")
	if err != nil {
		return 0, "", err
	}
	day := r.PathValue("day")
	if err := dayOrNothing("day", &day); err != nil {
		return 0, "", err
	}
	var body habitLogPut
	if err := readBody(r, &body); err != nil {
		return 0, "", err
	}
	var row string
	var isNew bool
	if err := s.database.one(r.Context(), c, putHabitLog(c, id, day, body), &row, &isNew); err != nil {
		return 0, "", err
	}
	if isNew {
		return http.StatusCreated, row, nil
	}
	return http.StatusOK, row, nil
}

func (s *service) getHabitStats(r *http.Request, c tenant) (int, string, error) {
	id, err := idOf(r, "habit_id")
	if err != nil {
		return 0, "", err
	}
	from, to := r.FormValue("from"), r.FormValue("to")
	if err := errors.Join(dayOrNothing("from", &from), dayOrNothing("to", &to)); err != nil {
		return 0, "", err
	}
	var body string
	err = s.database.one(r.Context(), c, getHabitStats(c, id, from, to), &body, nil)
	return http.StatusOK, body, err
}

func (s *service) getToday(r *http.Request, c tenant) (int, string, error) {
	return s.ok(r, c, getToday(c))
}

func (s *service) getLeaderboard(r *http.Request, c tenant) (int, string, error) {
	period, day := r.FormValue("period"), r.FormValue("day")
	if period == "" {
		period = "week"
	}
	if validate.Var(period, "oneof=week month all") != nil {
		return 0, "", invalid("period must be week, month or all")
	}
	if err := dayOrNothing("day", &day); err != nil {
		return 0, "", err
	}
	return s.ok(r, c, getLeaderboard(c, period, day))
}

func idOf(r *http.Request, name string) (string, error) {
	id := r.PathValue(name)
	if uuid.Validate(id) != nil {
		return "", errNotFound
	}
	return id, nil
}

func (s *service) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/me", s.personal(s.getMe))
	mux.HandleFunc("GET /v1/tasks", s.inFamily(s.listTasks))
	mux.HandleFunc("POST /v1/tasks", s.inFamily(s.createTask))
	mux.HandleFunc("GET /v1/tasks/{task_id}", s.inFamily(s.getTask))
	mux.HandleFunc("PATCH /v1/tasks/{task_id}", s.inFamily(s.updateTask))
	mux.HandleFunc("PUT /v1/habits/{habit_id}/logs/{day}", s.inFamily(s.putHabitLog))
	mux.HandleFunc("GET /v1/habits/{habit_id}/stats", s.inFamily(s.getHabitStats))
	mux.HandleFunc("GET /v1/today", s.inFamily(s.getToday))
	mux.HandleFunc("GET /v1/leaderboard", s.inFamily(s.getLeaderboard))
	return mux
}

func number(variable string, otherwise int) int {
	if value, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return value
	}
	return otherwise
}

func main() {
	workers := number("WORKERS", 1)
	runtime.GOMAXPROCS(workers)
	connections := int32(workers * number("POOL_SIZE", 10))
	database, err := connect(os.Getenv("DATABASE_URL"), connections)
	if err != nil {
		log.Fatal(err)
	}
	s := &service{database, newVerifier(os.Getenv("JWT_SECRET"))}
	address := fmt.Sprintf("127.0.0.1:%d", number("PORT", 8080))
	log.Fatal(http.ListenAndServe(address, s.routes()))
}
