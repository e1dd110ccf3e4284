package main

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const setContext = `
	select
		set_config('app.user_id', $1, true), set_config('app.session_id', $2, true),
		set_config('app.family_id', $3, true), set_config('app.member_role', $4, true),
		app.assert_membership()`

type database struct{ pool *pgxpool.Pool }

func connect(url string, connections int32) (*database, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = connections
	config.ConnConfig.RuntimeParams["timezone"] = "UTC"
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	return &database{pool}, err
}

// one runs a query in a transaction of its own, in a context that is checked, and scans its row.
// A batch is pipelined up to one Sync: one round trip, and one transaction, which is committed when
// the batch is closed; behind an error the server skips the rest of it. A client that goes away
// does not cancel it, for pgx would close the connection.
func (d *database) one(ctx context.Context, c tenant, q query, into ...any) error {
	batch := &pgx.Batch{}
	batch.Queue(setContext, c.userID, c.sessionID, c.familyID, c.role)
	batch.Queue(q.text, q.values...)
	results := d.pool.SendBatch(context.WithoutCancel(ctx), batch)
	_, err := results.Exec()
	if err == nil {
		err = results.QueryRow().Scan(into...)
	}
	if closed := results.Close(); err == nil {
		err = closed
	}
	return err
}
