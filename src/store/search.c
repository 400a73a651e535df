/* Full-text search (SQLite FTS5, https://www.sqlite.org/fts5.html). */
#include "store/search.h"

#include <ctype.h>
#include <inttypes.h>
#include <sqlite3.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/db.h"
#include "store/store.h"

/* Around a hit in what snippet() gives. */
#define MARK_BEGIN '\x02'
#define MARK_END '\x03'

struct search {
	struct store_job job;
	char *query; /* owned */
	uint64_t limit;
	struct buf json;
	store_list_cb *done;
	void *data;
};

/* The tokenizer finds something in it. */
static bool has_word(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (isalnum((unsigned char)s.p[i]) || (unsigned char)s.p[i] >= 0x80)
			return true;
	return false;
}

/* A word or a quoted phrase of a query. */
struct term {
	struct str text; /* borrowed */
	bool begins;	 /* the last one, not quoted: more of the word may follow */
};

static size_t split(const char *query, struct term ret[SEARCH_MAX_WORDS])
{
	const char *at = query;
	size_t count = 0;

	while (*at && count < SEARCH_MAX_WORDS) {
		bool quoted = *at == '"';
		size_t n = strcspn(at += quoted, quoted ? "\"" : " \t\n\"");
		struct str text = {at, n};

		if (has_word(text))
			ret[count++] = (struct term){text, !at[n] && !quoted};
		at += n;
		at += *at && (quoted || *at != '"');
	}
	return count;
}

bool search_expression(const char *query, struct buf *out)
{
	struct term terms[SEARCH_MAX_WORDS];
	size_t count = split(query, terms);

	for (size_t i = 0; i < count; i++) {
		buf_adds(out, i ? " \"" : "\"");
		buf_add(out, terms[i].text.p, terms[i].text.n);
		buf_adds(out, terms[i].begins ? "\"*" : "\"");
	}
	return count > 0;
}

/* The terms as a JSON array; what has no word is looked for as it is. */
static void put_terms(const char *query, struct buf *out)
{
	struct term terms[SEARCH_MAX_WORDS] = {{str_of(query), false}};
	size_t count = split(query, terms);

	for (size_t i = 0; i == 0 || i < count; i++) {
		buf_addc(out, i ? ',' : '[');
		json_put_str(out, terms[i].text.p, terms[i].text.n);
	}
	buf_addc(out, ']');
}

static void put_piece(struct search *s, const char *p, size_t n, bool first)
{
	if (!first)
		buf_addc(&s->json, ',');
	json_put_str(&s->json, p, n);
}

/* The pieces of a snippet: what is not a hit, what is, and so on. */
static void put_snippet(struct search *s, const char *text)
{
	bool hit = false, first = true;

	buf_adds(&s->json, ",\"snippet\":[");
	for (;;) {
		size_t n = 0;

		while (text[n] && text[n] != (hit ? MARK_END : MARK_BEGIN))
			n++;
		put_piece(s, text, n, first);
		first = false;
		if (!text[n])
			break;
		text += n + 1;
		hit = !hit;
	}
	buf_adds(&s->json, "]}");
}

static const char *text_of(sqlite3_stmt *stmt, int column)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	return text ? text : "";
}

/* Columns: session id, title, updated_ms, message number, role, snippet. */
static void put_result(struct search *s, sqlite3_stmt *stmt)
{
	char iso[CLOCK_ISO_SIZE];

	buf_adds(&s->json, s->json.len ? ",{\"sessionId\":" : "{\"sessionId\":");
	json_put_cstr(&s->json, text_of(stmt, 0));
	buf_adds(&s->json, ",\"title\":");
	json_put_cstr(&s->json, text_of(stmt, 1));
	clock_iso(sqlite3_column_int64(stmt, 2), iso);
	buf_addf(&s->json, ",\"updatedAt\":\"%s\",\"message\":%" PRId64 ",\"role\":", iso,
	    (int64_t)sqlite3_column_int64(stmt, 3));
	json_put_cstr(&s->json, text_of(stmt, 4));
	put_snippet(s, text_of(stmt, 5));
}

static int run_search(struct db *db, struct store_job *job)
{
	struct search *s = list_entry(job, struct search, job);
	struct buf expression = {0}, terms = {0};
	sqlite3_stmt *stmt;
	int rc = 0;

	put_terms(s->query, &terms);
	stmt = db_query(db,
	    "SELECT id, title, updated_ms, 0, 'title', title FROM sessions WHERE NOT EXISTS"
	    " (SELECT 1 FROM json_each(?) WHERE NOT instr(lower(title), lower(value)))"
	    " ORDER BY num DESC LIMIT ?",
	    "ti", buf_cstr(&terms), (int64_t)s->limit);
	while ((rc = db_step(db, stmt)) == 1)
		put_result(s, stmt);
	buf_finish(&terms);
	if (rc == 0 && search_expression(s->query, &expression)) {
		stmt = db_query(db,
		    "SELECT s.id, s.title, s.updated_ms, f.rowid & ((1 << 36) - 1),"
		    " json_extract(m.body, '$.role'),"
		    " snippet(message_search, 0, char(2), char(3), '…', 16)"
		    " FROM message_search f JOIN messages m ON m.id = f.rowid"
		    " JOIN sessions s ON s.num = f.rowid >> 36"
		    " WHERE message_search MATCH ? ORDER BY rank LIMIT ?",
		    "ti", buf_cstr(&expression), (int64_t)s->limit);
		while ((rc = db_step(db, stmt)) == 1)
			put_result(s, stmt);
	}
	buf_finish(&expression);
	return rc;
}

static void done_search(struct store_job *job, int rc)
{
	struct search *s = list_entry(job, struct search, job);

	s->done(s->data, rc, &s->json);
	free(s->query);
	buf_finish(&s->json);
	free(s);
}

void store_search(
    struct store *store, const char *query, uint64_t limit, store_list_cb *done, void *data)
{
	struct search *s = mem_zalloc(1, sizeof *s);

	s->job.run = run_search;
	s->job.done = done_search;
	s->query = mem_strdup(query);
	s->limit = limit && limit < SEARCH_MAX_RESULTS ? limit : SEARCH_MAX_RESULTS;
	s->done = done;
	s->data = data;
	store_read(store, &s->job);
}
