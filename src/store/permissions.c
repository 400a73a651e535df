/* Rows of permission requests and rules. */
#include "store/permissions.h"

#include <sqlite3.h>

#include "base/mem.h"
#include "store/db.h"
#include "store/store.h"

/* What the writes and the one read need, copied. */
struct permission_job {
	struct store_job job;
	int64_t session, created_ms;
	char *id, *turn, *tool, *match, *decision, *by; /* owned, NULL when not used */
	store_done_cb *done;
	store_permission_cb *found;
	void *data;
};

static void finish(struct permission_job *p)
{
	free(p->id);
	free(p->turn);
	free(p->tool);
	free(p->match);
	free(p->decision);
	free(p->by);
	free(p);
}

static void done_write(struct store_job *job, int rc)
{
	struct permission_job *p = list_entry(job, struct permission_job, job);

	if (p->done)
		p->done(p->data, rc);
	finish(p);
}

static struct permission_job *new_job(int (*run)(struct db *, struct store_job *), int64_t session)
{
	struct permission_job *p = mem_zalloc(1, sizeof *p);

	p->job.run = run;
	p->job.done = done_write;
	p->session = session;
	return p;
}

static int run_add(struct db *db, struct store_job *job)
{
	struct permission_job *p = list_entry(job, struct permission_job, job);

	return db_run(db,
	    "INSERT INTO permissions(session, id, turn, tool, created_ms, open) "
	    "VALUES(?,?,?,?,?,1)",
	    "ittti", p->session, p->id, p->turn, p->tool, p->created_ms);
}

void store_permission_add(
    struct store *s, const struct permission_row *row, store_done_cb *done, void *data)
{
	struct permission_job *p = new_job(run_add, row->session);

	p->job.durable = true;
	p->id = mem_strdup(row->id);
	p->turn = mem_strdup(row->turn_id);
	p->tool = mem_strdup(row->tool);
	p->created_ms = row->created_ms;
	p->done = done;
	p->data = data;
	store_write(s, &p->job);
}

static int run_resolve(struct db *db, struct store_job *job)
{
	struct permission_job *p = list_entry(job, struct permission_job, job);

	return db_run(db,
	    "UPDATE permissions SET open = 0, decision = ?, decided_by = ? WHERE session = ? AND "
	    "id = ?",
	    "ttit", p->decision, p->by, p->session, p->id);
}

void store_permission_resolve(struct store *s, int64_t session, const char *id,
    const char *decision, const char *decided_by, store_done_cb *done, void *data)
{
	struct permission_job *p = new_job(run_resolve, session);

	p->job.durable = true;
	p->id = mem_strdup(id);
	p->decision = mem_strdup(decision);
	p->by = mem_strdup(decided_by);
	p->done = done;
	p->data = data;
	store_write(s, &p->job);
}

static int run_find(struct db *db, struct store_job *job)
{
	struct permission_job *p = list_entry(job, struct permission_job, job);
	sqlite3_stmt *stmt = db_query(db,
	    "SELECT coalesce(decision, ''), coalesce(decided_by, '') FROM permissions"
	    " WHERE session = ? AND id = ?",
	    "it", p->session, p->id);
	int rc = db_step(db, stmt);

	if (rc != 1)
		return rc;
	p->decision = mem_strdup((const char *)sqlite3_column_text(stmt, 0));
	p->by = mem_strdup((const char *)sqlite3_column_text(stmt, 1));
	sqlite3_reset(stmt);
	return 0;
}

static void done_find(struct store_job *job, int rc)
{
	struct permission_job *p = list_entry(job, struct permission_job, job);

	p->found(p->data, rc, p->decision, p->by);
	finish(p);
}

void store_permission_find(
    struct store *s, int64_t session, const char *id, store_permission_cb *done, void *data)
{
	struct permission_job *p = new_job(run_find, session);

	p->job.done = done_find;
	p->id = mem_strdup(id);
	p->found = done;
	p->data = data;
	store_read(s, &p->job);
}

static int run_rule(struct db *db, struct store_job *job)
{
	struct permission_job *p = list_entry(job, struct permission_job, job);

	return db_run(db,
	    "INSERT INTO rules(session, tool, match, decision) VALUES(?,?,?,?)"
	    " ON CONFLICT(session, tool, match) DO UPDATE SET decision = excluded.decision",
	    "ittt", p->session, p->tool, p->match, p->decision);
}

void store_rule_put(
    struct store *s, int64_t session, const char *tool, const char *match, const char *decision)
{
	struct permission_job *p = new_job(run_rule, session);

	p->tool = mem_strdup(tool);
	p->match = mem_strdup(match);
	p->decision = mem_strdup(decision);
	store_write(s, &p->job);
}
