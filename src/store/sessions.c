/* Rows of sessions, turns and messages. */
#include "store/sessions.h"

#include <assert.h>
#include <sqlite3.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "protocol/item.h"
#include "protocol/payload.h"
#include "store/cache.h"
#include "store/db.h"
#include "store/store.h"

void session_row_finish(struct session_row *row)
{
	free(row->id);
	free(row->model);
	free(row->title);
	free(row->metadata);
	free(row->answered);
	free(row->rules);
	*row = (struct session_row){0};
}

const char *session_row_model(const struct session_row *row)
{
	return row->answered && row->answered[0] ? row->answered : row->model;
}

/* One struct for the small writes: what they need, copied. */
struct row_write {
	struct store_job job;
	struct session_row row;			   /* put: all; others: num */
	char *turn, *writer, *client, *mode, *key; /* owned, NULL when not used */
	uint64_t seq;
	struct item item; /* a message */
	store_done_cb *done;
	void *data;
};

static void done_write(struct store_job *job, int rc)
{
	struct row_write *w = list_entry(job, struct row_write, job);

	if (w->done)
		w->done(w->data, rc);
	session_row_finish(&w->row);
	free(w->turn);
	free(w->writer);
	free(w->client);
	free(w->mode);
	free(w->key);
	item_finish(&w->item);
	free(w);
}

static struct row_write *new_write(
    int (*run)(struct db *, struct store_job *), int64_t session, store_done_cb *done, void *data)
{
	struct row_write *w = mem_zalloc(1, sizeof *w);

	w->job.run = run;
	w->job.done = done_write;
	w->row.num = session;
	w->done = done;
	w->data = data;
	return w;
}

static int run_put(struct db *db, struct store_job *job)
{
	struct session_row *r = &list_entry(job, struct row_write, job)->row;

	return db_run(db,
	    "INSERT INTO sessions(num, id, model, title, metadata, created_ms, updated_ms, "
	    "turn_count,"
	    " message_count, tool_calls, writer_count, last_seq, last_turn_seq)"
	    " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)"
	    " ON CONFLICT(num) DO UPDATE SET model=excluded.model, title=excluded.title,"
	    " metadata=excluded.metadata, updated_ms=excluded.updated_ms,"
	    " turn_count=excluded.turn_count, message_count=excluded.message_count,"
	    " tool_calls=excluded.tool_calls, writer_count=excluded.writer_count,"
	    " last_seq=excluded.last_seq, last_turn_seq=excluded.last_turn_seq",
	    "ittttiiiiiiii", r->num, r->id, r->model, r->title, r->metadata, r->created_ms,
	    r->updated_ms, (int64_t)r->turn_count, (int64_t)r->message_count,
	    (int64_t)r->tool_calls, (int64_t)r->writer_count, (int64_t)r->last_seq,
	    (int64_t)r->last_turn_seq);
}

void store_session_put(
    struct store *s, const struct session_row *row, bool durable, store_done_cb *done, void *data)
{
	struct row_write *w = new_write(run_put, row->num, done, data);

	w->job.durable = durable;
	w->row = *row;
	w->row.id = mem_strdup(row->id);
	w->row.model = mem_strdup(row->model);
	w->row.title = mem_strdup(row->title);
	w->row.metadata = mem_strdup(row->metadata);
	w->row.answered = NULL;
	w->row.rules = NULL;
	store_write(s, &w->job);
}

static int run_front(struct db *db, struct store_job *job)
{
	const struct row_write *w = list_entry(job, struct row_write, job);

	return db_run(db, "INSERT OR REPLACE INTO fronts(session, message) VALUES(?,?)", "ii",
	    w->row.num, (int64_t)w->seq);
}

void store_session_front(struct store *s, int64_t num, uint64_t message)
{
	struct row_write *w = new_write(run_front, num, NULL, NULL);

	w->seq = message;
	store_write(s, &w->job);
}

static int run_answered(struct db *db, struct store_job *job)
{
	struct session_row *r = &list_entry(job, struct row_write, job)->row;

	return db_run(db, "INSERT OR REPLACE INTO answers(session, model) VALUES(?,?)", "it",
	    r->num, r->answered);
}

void store_session_answered(struct store *s, int64_t num, const char *model)
{
	struct row_write *w = new_write(run_answered, num, NULL, NULL);

	w->row.answered = mem_strdup(model);
	store_write(s, &w->job);
}

static int run_delete(struct db *db, struct store_job *job)
{
	int64_t num = list_entry(job, struct row_write, job)->row.num;
	int64_t first = store_key(num, 0), end = store_key(num + 1, 0);
	int rc = db_run(db, "DELETE FROM segments WHERE id >= ? AND id < ?", "ii", first, end);

	if (rc == 0)
		rc = db_run(db, "DELETE FROM messages WHERE id >= ? AND id < ?", "ii", first, end);
	if (rc == 0)
		rc = db_run(db, "DELETE FROM answers WHERE session = ?", "i", num);
	if (rc == 0)
		rc = db_run(db, "DELETE FROM fronts WHERE session = ?", "i", num);
	if (rc == 0)
		rc = db_run(db, "DELETE FROM turns WHERE session = ?", "i", num);
	if (rc == 0)
		rc = db_run(db, "DELETE FROM permissions WHERE session = ?", "i", num);
	if (rc == 0)
		rc = db_run(db, "DELETE FROM rules WHERE session = ?", "i", num);
	if (rc == 0)
		rc = db_run(db, "DELETE FROM sessions WHERE num = ?", "i", num);
	return rc;
}

void store_session_delete(struct store *s, int64_t num, store_done_cb *done, void *data)
{
	struct row_write *w = new_write(run_delete, num, done, data);

	w->job.durable = true;
	cache_forget(store_cache(s), num);
	store_write(s, &w->job);
}

static int run_turn_add(struct db *db, struct store_job *job)
{
	struct row_write *w = list_entry(job, struct row_write, job);

	return db_run(db,
	    "INSERT INTO turns(session, id, state, writer, client, mode, idempotency_key, "
	    "queued_seq)"
	    " VALUES(?,?,1,?,?,?,?,?)",
	    "ittttti", w->row.num, w->turn, w->writer, w->client, w->mode, w->key, (int64_t)w->seq);
}

void store_turn_add(struct store *s, int64_t session, const char *turn_id, const char *writer,
    const char *client, const char *mode, const char *key, uint64_t queued_seq, store_done_cb *done,
    void *data)
{
	struct row_write *w = new_write(run_turn_add, session, done, data);

	w->job.durable = true;
	w->turn = mem_strdup(turn_id);
	w->writer = mem_strdup(writer);
	w->client = mem_strdup(client);
	w->mode = mem_strdup(mode);
	w->key = key ? mem_strdup(key) : NULL;
	w->seq = queued_seq;
	store_write(s, &w->job);
}

static int run_turn_end(struct db *db, struct store_job *job)
{
	struct row_write *w = list_entry(job, struct row_write, job);

	return db_run(db, "UPDATE turns SET state = 0 WHERE session = ? AND id = ?", "it",
	    w->row.num, w->turn);
}

void store_turn_end(
    struct store *s, int64_t session, const char *turn_id, store_done_cb *done, void *data)
{
	struct row_write *w = new_write(run_turn_end, session, done, data);

	w->job.durable = true;
	w->turn = mem_strdup(turn_id);
	store_write(s, &w->job);
}

int sessions_insert_item(struct db *db, int64_t session, uint64_t n, const struct item *item)
{
	struct buf body = {0}, more = {0}, searched = {0};
	int rc;

	item_put_message(&body, item);
	item_put_more(&more, item);
	item_put_text(&searched, item);
	rc = db_run(db,
	    "INSERT INTO messages(id, body, more, text) VALUES(CASE ?1 WHEN 0 THEN coalesce("
	    "(SELECT max(id) FROM messages WHERE id >= ?2 AND id < ?3), ?2) + 1 ELSE ?2 + ?1 END,"
	    " ?4, ?5, ?6)",
	    "iiittt", (int64_t)n, store_key(session, 0), store_key(session + 1, 0), buf_cstr(&body),
	    more.len ? buf_cstr(&more) : NULL,
	    /* What a client brought along may hold pictures: its words alone are searched. */
	    item->json ? buf_cstr(&searched) : NULL);
	buf_finish(&body);
	buf_finish(&more);
	buf_finish(&searched);
	return rc;
}

static int run_item_add(struct db *db, struct store_job *job)
{
	struct row_write *w = list_entry(job, struct row_write, job);

	return sessions_insert_item(db, w->row.num, w->seq, &w->item);
}

void store_item_add(struct store *s, int64_t session, uint64_t n, const struct item *item)
{
	struct row_write *w = new_write(run_item_add, session, NULL, NULL);

	assert(n > 0);
	w->seq = n;
	item_copy(&w->item, item);
	store_write(s, &w->job);
}

/* --- reads --- */

struct row_read {
	struct store_job job;
	char *id, *key, *writer; /* what is asked for, owned */
	struct session_row row;
	bool found, new_writer;
	char *turn; /* result, owned */
	int64_t session;
	uint64_t from;
	struct buf json;
	struct session_list list; /* strings owned: before in id, query in key */
	store_session_cb *on_session;
	store_list_cb *on_list;
	store_turn_cb *on_turn;
	store_messages_cb *on_messages;
	void *data;
};

static void free_read(struct row_read *r)
{
	free(r->id);
	free(r->key);
	free(r->writer);
	free(r->turn);
	session_row_finish(&r->row);
	buf_finish(&r->json);
	free(r);
}

static char *column_text(sqlite3_stmt *stmt, int i)
{
	const char *text = (const char *)sqlite3_column_text(stmt, i);

	return mem_strdup(text ? text : "");
}

/* The columns of SESSION_COLUMNS, in order. */
#define SESSION_COLUMNS                                                                            \
	"num, id, model, title, metadata, created_ms, updated_ms, turn_count, message_count,"      \
	" tool_calls, writer_count, last_seq, last_turn_seq,"                                      \
	" (SELECT a.model FROM answers AS a WHERE a.session = num),"                               \
	" (SELECT f.message FROM fronts AS f WHERE f.session = num)"

static void take_row(sqlite3_stmt *stmt, struct session_row *row)
{
	row->rules = NULL;
	row->num = sqlite3_column_int64(stmt, 0);
	row->id = column_text(stmt, 1);
	row->model = column_text(stmt, 2);
	row->title = column_text(stmt, 3);
	row->metadata = column_text(stmt, 4);
	row->created_ms = sqlite3_column_int64(stmt, 5);
	row->updated_ms = sqlite3_column_int64(stmt, 6);
	row->turn_count = (uint64_t)sqlite3_column_int64(stmt, 7);
	row->message_count = (uint64_t)sqlite3_column_int64(stmt, 8);
	row->tool_calls = (uint64_t)sqlite3_column_int64(stmt, 9);
	row->writer_count = (uint64_t)sqlite3_column_int64(stmt, 10);
	row->last_seq = (uint64_t)sqlite3_column_int64(stmt, 11);
	row->last_turn_seq = (uint64_t)sqlite3_column_int64(stmt, 12);
	row->answered = column_text(stmt, 13);
	row->front_message = (uint64_t)sqlite3_column_int64(stmt, 14);
}

/* The decisions to remember for the session, as JSON. */
static int load_rules(struct db *db, struct session_row *row)
{
	sqlite3_stmt *stmt = db_query(
	    db, "SELECT tool, match, decision FROM rules WHERE session = ?", "i", row->num);
	static const char *const names[] = {"{\"tool\":", ",\"match\":", ",\"decision\":"};
	struct buf out = {0};
	int rc;

	while ((rc = db_step(db, stmt)) == 1) {
		buf_addc(&out, out.len ? ',' : '[');
		for (int i = 0; i < 3; i++) {
			buf_adds(&out, names[i]);
			json_put_cstr(&out, (const char *)sqlite3_column_text(stmt, i));
		}
		buf_addc(&out, '}');
	}
	if (out.len)
		buf_addc(&out, ']');
	row->rules = out.len ? buf_steal(&out) : NULL;
	buf_finish(&out);
	return rc;
}

static int run_load(struct db *db, struct store_job *job)
{
	struct row_read *r = list_entry(job, struct row_read, job);
	sqlite3_stmt *stmt =
	    db_query(db, "SELECT " SESSION_COLUMNS " FROM sessions WHERE id = ?", "t", r->id);
	int rc = db_step(db, stmt);

	if (rc != 1)
		return rc;
	take_row(stmt, &r->row);
	sqlite3_reset(stmt);
	r->found = true;
	/* The row is a summary; what the log holds is the truth. */
	stmt = db_query(db,
	    "SELECT last_seq FROM segments WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1", "ii",
	    store_key(r->row.num, 0), store_key(r->row.num + 1, 0));
	rc = db_step(db, stmt);
	if (rc == 1) {
		r->row.last_seq = (uint64_t)sqlite3_column_int64(stmt, 0);
		sqlite3_reset(stmt);
		rc = 0;
	}
	return rc ? rc : load_rules(db, &r->row);
}

static void done_load(struct store_job *job, int rc)
{
	struct row_read *r = list_entry(job, struct row_read, job);

	r->on_session(r->data, rc, rc == 0 && r->found ? &r->row : NULL);
	free_read(r);
}

void store_session_load(struct store *s, const char *id, store_session_cb *done, void *data)
{
	struct row_read *r = mem_zalloc(1, sizeof *r);

	r->job.run = run_load;
	r->job.done = done_load;
	r->id = mem_strdup(id);
	r->on_session = done;
	r->data = data;
	store_read(s, &r->job);
}

static void put_listed(struct row_read *r, sqlite3_stmt *stmt)
{
	const char *live = r->list.live(r->list.live_data, sqlite3_column_int64(stmt, 0));
	struct session_row row;

	if (r->json.len > 1)
		buf_addc(&r->json, ',');
	if (live) {
		buf_adds(&r->json, live);
		return;
	}
	take_row(stmt, &row);
	payload_put_snapshot(&r->json, &(struct snapshot){.id = row.id,
					   .model = session_row_model(&row),
					   .title = row.title,
					   .metadata = row.metadata,
					   .created_ms = row.created_ms,
					   .updated_ms = row.updated_ms,
					   .status = "idle",
					   .turn_count = row.turn_count,
					   .message_count = row.message_count,
					   .tool_calls = row.tool_calls,
					   .writer_count = row.writer_count,
					   .last_seq = row.last_seq});
	session_row_finish(&row);
}

static int run_list(struct db *db, struct store_job *job)
{
	struct row_read *r = list_entry(job, struct row_read, job);
	int64_t limit = r->list.limit ? (int64_t)r->list.limit : -1;
	sqlite3_stmt *stmt;
	int rc;

	buf_addc(&r->json, '[');
	stmt = db_query(db,
	    "SELECT " SESSION_COLUMNS " FROM sessions WHERE"
	    " (?1 IS NULL OR num < (SELECT num FROM sessions WHERE id = ?1)) AND"
	    " (?2 IS NULL OR instr(lower(title), lower(?2)) OR instr(id, ?2))"
	    " ORDER BY num DESC LIMIT ?3",
	    "tti", r->list.before, r->list.query, limit);
	while ((rc = db_step(db, stmt)) == 1)
		put_listed(r, stmt);
	buf_addc(&r->json, ']');
	return rc;
}

static void done_list(struct store_job *job, int rc)
{
	struct row_read *r = list_entry(job, struct row_read, job);

	r->on_list(r->data, rc, &r->json);
	free_read(r);
}

void store_session_list(
    struct store *s, const struct session_list *query, store_list_cb *done, void *data)
{
	struct row_read *r = mem_zalloc(1, sizeof *r);

	r->job.run = run_list;
	r->job.done = done_list;
	r->list = *query;
	r->id = query->before ? mem_strdup(query->before) : NULL;
	r->key = query->query ? mem_strdup(query->query) : NULL;
	r->list.before = r->id;
	r->list.query = r->key;
	r->on_list = done;
	r->data = data;
	store_read(s, &r->job);
}

static int run_turn_find(struct db *db, struct store_job *job)
{
	struct row_read *r = list_entry(job, struct row_read, job);
	sqlite3_stmt *stmt;
	int rc;

	if (r->key) {
		stmt =
		    db_query(db, "SELECT id FROM turns WHERE session = ? AND idempotency_key = ?",
			"it", r->session, r->key);
		rc = db_step(db, stmt);
		if (rc == 1) {
			r->turn = column_text(stmt, 0);
			sqlite3_reset(stmt);
		}
		if (rc != 0)
			return rc < 0 ? rc : 0;
	}
	stmt = db_query(db, "SELECT 1 FROM turns WHERE session = ? AND writer = ? LIMIT 1", "it",
	    r->session, r->writer);
	rc = db_step(db, stmt);
	if (rc == 1)
		sqlite3_reset(stmt);
	r->new_writer = rc == 0;
	return rc < 0 ? rc : 0;
}

static void done_turn_find(struct store_job *job, int rc)
{
	struct row_read *r = list_entry(job, struct row_read, job);

	r->on_turn(r->data, rc, r->turn, r->new_writer);
	free_read(r);
}

void store_turn_find(struct store *s, int64_t session, const char *key, const char *writer,
    store_turn_cb *done, void *data)
{
	struct row_read *r = mem_zalloc(1, sizeof *r);

	r->job.run = run_turn_find;
	r->job.done = done_turn_find;
	r->session = session;
	r->key = key ? mem_strdup(key) : NULL;
	r->writer = mem_strdup(writer);
	r->on_turn = done;
	r->data = data;
	store_read(s, &r->job);
}

static int run_messages(struct db *db, struct store_job *job)
{
	struct row_read *r = list_entry(job, struct row_read, job);
	sqlite3_stmt *stmt =
	    db_query(db, "SELECT body FROM messages WHERE id >= ? AND id < ? ORDER BY id", "ii",
		store_key(r->session, r->from), store_key(r->session + 1, 0));
	int rc;

	while ((rc = db_step(db, stmt)) == 1) {
		if (r->json.len)
			buf_addc(&r->json, ',');
		buf_add(
		    &r->json, sqlite3_column_text(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0));
	}
	return rc;
}

static void done_messages(struct store_job *job, int rc)
{
	struct row_read *r = list_entry(job, struct row_read, job);

	r->on_messages(r->data, rc, &r->json);
	free_read(r);
}

void store_messages_load(
    struct store *s, int64_t session, uint64_t from, store_messages_cb *done, void *data)
{
	struct row_read *r = mem_zalloc(1, sizeof *r);

	r->job.run = run_messages;
	r->job.done = done_messages;
	r->session = session;
	r->from = from;
	r->on_messages = done;
	r->data = data;
	store_read(s, &r->job);
}

/* --- items --- */

struct items_read {
	struct store_job job;
	int64_t session;
	size_t bytes;	    /* wanted at most */
	struct item *items; /* owned: the newest first, until they are handed over */
	size_t count, room;
	uint64_t left_out;
	store_items_cb *done;
	void *data;
};

static void items_read_drop(struct items_read *r)
{
	item_finish(&r->items[--r->count]);
	r->left_out++;
}

static void items_read_row(struct items_read *r, sqlite3_stmt *stmt)
{
	struct item item;

	if (r->count == r->room) {
		r->room = r->room ? r->room * 2 : 64;
		r->items = mem_realloc(r->items, r->room * sizeof *r->items);
	}
	if (item_take((const char *)sqlite3_column_text(stmt, 0),
		(size_t)sqlite3_column_bytes(stmt, 0), (const char *)sqlite3_column_text(stmt, 1),
		(size_t)sqlite3_column_bytes(stmt, 1), &item) == 0)
		r->items[r->count++] = item;
}

static int run_items(struct db *db, struct store_job *job)
{
	struct items_read *r = list_entry(job, struct items_read, job);
	sqlite3_stmt *stmt = db_query(db,
	    "SELECT body, more, id FROM messages WHERE id >= ? AND id < ? ORDER BY id DESC", "ii",
	    store_key(r->session, 0), store_key(r->session + 1, 0));
	size_t bytes = 0;
	int rc;

	while ((rc = db_step(db, stmt)) == 1) {
		bytes += (size_t)sqlite3_column_bytes(stmt, 0);
		if (bytes > r->bytes) {
			r->left_out = store_seq(sqlite3_column_int64(stmt, 2));
			sqlite3_reset(stmt);
			rc = 0;
			break;
		}
		items_read_row(r, stmt);
	}
	while (r->left_out && r->count && r->items[r->count - 1].kind != ITEM_USER)
		items_read_drop(r);
	return rc;
}

static void done_items(struct store_job *job, int rc)
{
	struct items_read *r = list_entry(job, struct items_read, job);

	for (size_t i = 0; i < r->count / 2; i++) {
		struct item first = r->items[i];

		r->items[i] = r->items[r->count - 1 - i];
		r->items[r->count - 1 - i] = first;
	}
	r->done(r->data, rc, r->items, r->count, r->left_out);
	free(r);
}

void store_items_load(
    struct store *s, int64_t session, size_t bytes, store_items_cb *done, void *data)
{
	struct items_read *r = mem_zalloc(1, sizeof *r);

	r->job.run = run_items;
	r->job.done = done_items;
	r->session = session;
	r->bytes = bytes;
	r->done = done;
	r->data = data;
	store_read(s, &r->job);
}
