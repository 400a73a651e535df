/* Finding and making sessions. */
#include "session/roster.h"

#include <errno.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/mem.h"
#include "protocol/events.h"
#include "protocol/item.h"
#include "protocol/payload.h"
#include "protocol/requests.h"
#include "session/core.h"
#include "session/session.h"
#include "store/log.h"
#include "store/search.h"
#include "store/sessions.h"
#include "store/store.h"

struct waiter {
	struct waiter *next;
	roster_cb *done;
	void *data;
};

/* One load under way, and who waits for it. */
struct load {
	struct core *core;
	char *id;
	struct waiter *first, **last; /* owned, in order */
};

static void on_loaded(void *data, int rc, struct session_row *row)
{
	struct load *load = data;
	struct waiter *w = load->first;
	struct session *s = NULL;
	enum api_error error = API_OK;

	map_remove(&load->core->loading, load->id);
	if (rc != 0)
		error = API_INTERNAL_ERROR;
	else if (!row)
		error = API_SESSION_NOT_FOUND;
	else
		/* A create may have made it while we read. */
		s = map_get(&load->core->sessions, load->id);
	if (s)
		session_ref(s);
	else if (row && error == API_OK)
		s = session_new(load->core, row);
	while (w) {
		struct waiter *next = w->next;
		/* Who waited before may have deleted it. */
		bool gone = s && s->deleted;

		w->done(w->data, gone ? API_SESSION_NOT_FOUND : error, gone ? NULL : s);
		free(w);
		w = next;
	}
	if (s)
		session_unref(s);
	free(load->id);
	free(load);
}

void roster_get(struct core *core, const char *id, roster_cb *done, void *data)
{
	struct session *s = map_get(&core->sessions, id);
	struct waiter *w;
	struct load *load;

	if (s) {
		session_ref(s);
		done(data, s->deleted ? API_SESSION_NOT_FOUND : API_OK, s->deleted ? NULL : s);
		session_unref(s);
		return;
	}
	if (!request_id_ok(str_of(id))) {
		done(data, API_SESSION_NOT_FOUND, NULL);
		return;
	}
	w = mem_zalloc(1, sizeof *w);
	w->done = done;
	w->data = data;
	load = map_get(&core->loading, id);
	if (!load) {
		load = mem_zalloc(1, sizeof *load);
		load->core = core;
		load->id = mem_strdup(id);
		load->last = &load->first;
		map_put(&core->loading, load->id, load);
		store_session_load(core->opts.store, id, on_loaded, load);
	}
	*load->last = w;
	load->last = &w->next;
}

/* --- creating --- */

struct create {
	struct core *core;
	struct session *session; /* owned reference once made */
	char id[REQUEST_MAX_ID + 1];
	char *model, *title; /* owned */
	struct buf metadata;
	json_t *messages; /* owned reference, or NULL */
	roster_cb *done;
	void *data;
};

static void finish_create(struct create *c, enum api_error error, struct session *s)
{
	c->done(c->data, error, s);
	if (c->session)
		session_unref(c->session);
	free(c->model);
	free(c->title);
	buf_finish(&c->metadata);
	json_decref(c->messages);
	free(c);
}

static void on_created(void *data, int rc)
{
	struct create *c = data;
	struct session *s = c->session;

	if (rc == 0) {
		finish_create(c, API_OK, s);
		return;
	}
	/* It never was: nobody may find it under its name. */
	s->deleted = true;
	s->core->session_count--;
	finish_create(c, session_store_error(rc), NULL);
}

/* A message of a client as it is kept and shown: its role first, all else as it came. It loses the
 * role. */
static void put_message(struct buf *out, json_t *message)
{
	struct json_writer w = {.out = out};
	struct buf rest = {0};

	json_write_object(&w, NULL);
	json_write_cstr(&w, "role", json_cstr(message, "role", "user"));
	json_object_del(message, "role");
	json_put(&rest, message);
	json_write_members(&w, rest.p + 1, rest.len - 2);
	json_write_end(&w);
	buf_finish(&rest);
}

static void add_messages(struct session *s, const json_t *messages, struct buf *all)
{
	struct buf one = {0};
	json_t *message;
	struct item item;
	size_t i;

	json_array_foreach (messages, i, message) {
		buf_clear(&one);
		put_message(&one, message);
		/* The request's check knows its roles (protocol/requests.c). */
		if (item_take(one.p, one.len, NULL, 0, &item) != 0)
			continue;
		store_item_add(s->core->opts.store, s->row.num, ++s->row.message_count, &item);
		item_finish(&item);
		buf_adds(all, i ? "," : "");
		buf_add(all, one.p, one.len);
	}
	buf_finish(&one);
}

static void make(struct create *c)
{
	struct core *core = c->core;
	struct session_row row = {.num = core->next_session++,
	    .id = c->id,
	    .model = c->model,
	    .title = c->title,
	    .metadata = (char *)(uintptr_t)buf_cstr(&c->metadata),
	    .created_ms = clock_wall_ms()};
	struct buf payload = {0}, messages = {0};
	struct snapshot snapshot;
	struct session *s;

	row.updated_ms = row.created_ms;
	s = c->session = session_new(core, &row);
	core->session_count++;
	if (c->messages)
		add_messages(s, c->messages, &messages);
	session_snapshot(s, &snapshot);
	snapshot.last_seq = 1;
	buf_adds(&payload, "{\"snapshot\":");
	payload_put_snapshot(&payload, &snapshot);
	buf_adds(&payload, ",\"messages\":[");
	buf_add(&payload, messages.p, messages.len);
	buf_adds(&payload, "]}");
	session_append(s, EVENT_SESSION_SNAPSHOT, &payload);
	session_save(s, true, on_created, c);
	buf_finish(&payload);
	buf_finish(&messages);
}

static void on_looked(void *data, enum api_error error, struct session *s)
{
	struct create *c = data;

	if (error != API_SESSION_NOT_FOUND) {
		finish_create(c, error, s);
		return;
	}
	/* Two creators may have waited for the same look: the first made it. */
	s = map_get(&c->core->sessions, c->id);
	if (s && !s->deleted) {
		session_ref(s);
		finish_create(c, API_OK, s);
		session_unref(s);
	} else if (s) {
		finish_create(c, API_CONFLICT, NULL);
	} else {
		make(c);
	}
}

void roster_create(struct core *core, const struct request_session *r, roster_cb *done, void *data)
{
	struct create *c = mem_zalloc(1, sizeof *c);
	const char *model = r->model ? r->model : config_text(core->opts.config, "model.default");

	c->core = core;
	c->done = done;
	c->data = data;
	c->model = mem_strdup(model);
	c->title = mem_strdup(r->title ? r->title : "");
	if (r->metadata)
		json_put(&c->metadata, r->metadata);
	else
		buf_adds(&c->metadata, "{}");
	c->messages = r->messages ? json_deep_copy(r->messages) : NULL;
	if (r->session_id) {
		snprintf(c->id, sizeof c->id, "%s", r->session_id);
		roster_get(core, c->id, on_looked, c);
	} else {
		ids_make("sess_", 12, c->id, sizeof c->id);
		make(c);
	}
}

/* --- listing --- */

struct live {
	int64_t num;
	char *json; /* owned */
};

struct listing {
	struct live *live; /* owned: sessions in memory, as they were when asked */
	size_t count;
	roster_list_cb *done;
	void *data;
};

static const char *find_live(void *data, int64_t num)
{
	const struct listing *l = data;

	for (size_t i = 0; i < l->count; i++)
		if (l->live[i].num == num)
			return l->live[i].json;
	return NULL;
}

static void on_listed(void *data, int rc, struct buf *json)
{
	struct listing *l = data;

	l->done(l->data, rc == 0 ? API_OK : API_INTERNAL_ERROR, json);
	for (size_t i = 0; i < l->count; i++)
		free(l->live[i].json);
	free(l->live);
	free(l);
}

void roster_list(struct core *core, unsigned long limit, const char *before, const char *query,
    roster_list_cb *done, void *data)
{
	struct listing *l = mem_zalloc(1, sizeof *l);
	struct session *s;
	size_t at = 0;

	l->done = done;
	l->data = data;
	l->live = mem_zalloc(core->sessions.len, sizeof *l->live);
	while ((s = map_next(&core->sessions, &at))) {
		struct snapshot snapshot;
		struct buf json = {0};

		session_snapshot(s, &snapshot);
		payload_put_snapshot(&json, &snapshot);
		l->live[l->count++] = (struct live){s->row.num, buf_steal(&json)};
	}
	store_session_list(core->opts.store,
	    &(struct session_list){.limit = limit,
		.before = before,
		.query = query,
		.live = find_live,
		.live_data = l},
	    on_listed, l);
}

struct search {
	roster_list_cb *done;
	void *data;
};

static void on_found(void *data, int rc, struct buf *json)
{
	struct search s = *(struct search *)data;

	free(data);
	s.done(s.data, rc == 0 ? API_OK : API_INTERNAL_ERROR, json);
}

void roster_search(
    struct core *core, const char *query, uint64_t limit, roster_list_cb *done, void *data)
{
	struct search *s = mem_zalloc(1, sizeof *s);

	*s = (struct search){done, data};
	store_search(core->opts.store, query, limit, on_found, s);
}

struct messages {
	struct session *session; /* owned reference */
	roster_list_cb *done;
	void *data;
};

static void on_messages(void *data, int rc, struct buf *json)
{
	struct messages *m = data;

	m->done(m->data, rc == 0 ? API_OK : API_INTERNAL_ERROR, json);
	session_unref(m->session);
	free(m);
}

void roster_messages(struct session *s, roster_list_cb *done, void *data)
{
	struct messages *m = mem_zalloc(1, sizeof *m);

	m->session = session_ref(s);
	m->done = done;
	m->data = data;
	store_messages_load(s->core->opts.store, s->row.num, 1, on_messages, m);
}
