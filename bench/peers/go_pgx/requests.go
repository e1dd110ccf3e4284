package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"

	"github.com/go-playground/validator/v10"
)

var (
	validate = validator.New(validator.WithRequiredStructEnabled())
	cursors  = regexp.MustCompile(`^-?[0-9]{1,17}_[0-9a-f-]{36}$`)
)

// optional tells null from absent.
type optional struct {
	given bool
	value *string
}

func (o *optional) UnmarshalJSON(data []byte) error {
	o.given = true
	return json.Unmarshal(data, &o.value)
}

type taskCreate struct {
	Title       string  `json:"title" validate:"required,max=200"`
	Description *string `json:"description" validate:"omitnil,max=1000"`
	DueOn       *string `json:"due_on" validate:"omitnil,datetime=2006-01-02"`
	Visibility  string  `json:"visibility" validate:"oneof=private family"`
	Points      int32   `json:"points" validate:"min=0,max=1000"`
	IsCompleted bool    `json:"is_completed"`
}

type taskPatch struct {
	Title       *string  `json:"title" validate:"omitnil,min=1,max=200"`
	Description optional `json:"description"`
	DueOn       optional `json:"due_on"`
	Visibility  *string  `json:"visibility" validate:"omitnil,oneof=private family"`
	Points      *int32   `json:"points" validate:"omitnil,min=0,max=1000"`
	IsCompleted *bool    `json:"is_completed"`
}

type habitLogPut struct {
	IsDone *bool    `json:"is_done" validate:"required_without=Value,excluded_with=Value"`
	Value  *float64 `json:"value" validate:"omitnil,min=0,max=1000000"`
	Note   *string  `json:"note" validate:"omitnil,max=1000"`
}

type taskFilter struct {
	limit       int
	cursor      string
	isCompleted string
	dueFrom     string
	dueTo       string
}

func readBody(r *http.Request, into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 16_384))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return invalid(err.Error())
	}
	if err := validate.Struct(into); err != nil {
		return invalid(err.Error())
	}
	return nil
}

func readPatch(r *http.Request) (taskPatch, error) {
	var body taskPatch
	if err := readBody(r, &body); err != nil {
		return body, err
	}
	if body == (taskPatch{}) {
		return body, invalid("must change at least one field")
	}
	if body.Description.value != nil && validate.Var(*body.Description.value, "max=1000") != nil {
		return body, invalid("description must have at most 1000 characters")
	}
	return body, dayOrNothing("due_on", body.DueOn.value)
}

func readFilter(values url.Values) (taskFilter, error) {
	f := taskFilter{
		limit:       20,
		cursor:      values.Get("cursor"),
		isCompleted: values.Get("is_completed"),
		dueFrom:     values.Get("due_from"),
		dueTo:       values.Get("due_to"),
	}
	if values.Has("limit") {
		var err error
		if f.limit, err = strconv.Atoi(values.Get("limit")); err != nil || f.limit < 1 || f.limit > 100 {
			return f, invalid("limit must be from 1 to 100")
		}
	}
	if f.cursor != "" && !cursors.MatchString(f.cursor) {
		return f, invalid("cursor must be `next` of the page before")
	}
	if validate.Var(f.isCompleted, "omitempty,oneof=true false") != nil {
		return f, invalid("is_completed must be true or false")
	}
	if err := dayOrNothing("due_from", &f.dueFrom); err != nil {
		return f, err
	}
	return f, dayOrNothing("due_to", &f.dueTo)
}

func dayOrNothing(name string, day *string) error {
	if day != nil && validate.Var(*day, "omitempty,datetime=2006-01-02") != nil {
		return invalid(name + " must be a day")
	}
	return nil
}

// orNull returns nil for an absent value.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}
