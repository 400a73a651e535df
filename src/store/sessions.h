#ifndef STORE_SESSIONS_H
#define STORE_SESSIONS_H

/*
 * Rows of sessions, turns and messages: typed jobs for the store's threads.
 * Arguments are copied. A callback may be NULL. Loop thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct db;
struct item;
struct store;

struct session_row {
	int64_t num;
	char *id, *model, *title, *metadata; /* owned; metadata is JSON text */
	char *answered; /* owned: the model that answered last; "" or NULL: none did. Only read */
	int64_t created_ms, updated_ms;
	uint64_t turn_count, message_count, tool_calls, writer_count;
	uint64_t last_seq, last_turn_seq;
	uint64_t
	    front_message; /* number of the first message the model is given, 0: all. Only read */
	char *rules;	   /* owned: JSON array of {tool, match, decision}; NULL: none. Only read */
};

/* Free what row points at. */
void session_row_finish(struct session_row *row);

/* A write was committed (rc 0) or not. */
typedef void store_done_cb(void *data, int rc);

/* The model a snapshot shows: the one that answered, before any did the one that is to be asked. */
const char *session_row_model(const struct session_row *row);

/* Keep which model answered last ("": none did). */
void store_session_answered(struct store *s, int64_t num, const char *model);

/* Keep the number of the first message the model is given. */
void store_session_front(struct store *s, int64_t num, uint64_t message);

/* Insert or update the row. durable: the commit must survive a power cut. */
void store_session_put(
    struct store *s, const struct session_row *row, bool durable, store_done_cb *done, void *data);

/* Delete the session with its turns, messages and events. */
void store_session_delete(struct store *s, int64_t num, store_done_cb *done, void *data);

/* row is NULL (rc 0) when there is no such session; borrowed until return. last_seq is what the log
 * really holds. */
typedef void store_session_cb(void *data, int rc, struct session_row *row);
void store_session_load(struct store *s, const char *id, store_session_cb *done, void *data);

struct session_list {
	uint64_t limit;	    /* 0: all */
	const char *before; /* only sessions made before this one, or NULL */
	const char *query;  /* only those with this text in title or id, or NULL */
	/*
	 * The JSON to show for a session that is loaded, instead of its row. Called on
	 * the reader's thread: works on a copy made by the caller. Returns NULL for "use the row".
	 */
	const char *(*live)(void *live_data, int64_t num);
	void *live_data;
};

/* json is the array's text, borrowed until return. */
typedef void store_list_cb(void *data, int rc, struct buf *json);
void store_session_list(
    struct store *s, const struct session_list *query, store_list_cb *done, void *data);

/* A turn was accepted. key may be NULL. Durable. */
void store_turn_add(struct store *s, int64_t session, const char *turn_id, const char *writer,
    const char *client, const char *mode, const char *key, uint64_t queued_seq, store_done_cb *done,
    void *data);

/* A turn has its stop event. Durable. */
void store_turn_end(
    struct store *s, int64_t session, const char *turn_id, store_done_cb *done, void *data);

/* turn_id is NULL when no turn of the session was accepted with this key; new_writer: no turn of
 * this writer yet. */
typedef void store_turn_cb(void *data, int rc, const char *turn_id, bool new_writer);
void store_turn_find(struct store *s, int64_t session, const char *key, const char *writer,
    store_turn_cb *done, void *data);

/* The row of item as message number n (from 1) of the session. */
void store_item_add(struct store *s, int64_t session, uint64_t n, const struct item *item);

/* The same on the thread the connection belongs to, within a transaction; n 0: as the last message.
 * 0 or a code. For the store floor. */
int sessions_insert_item(struct db *db, int64_t session, uint64_t n, const struct item *item);

/* All messages from number `from` on, as the inside of a JSON array; borrowed until return. */
typedef void store_messages_cb(void *data, int rc, struct buf *json);
void store_messages_load(
    struct store *s, int64_t session, uint64_t from, store_messages_cb *done, void *data);

/*
 * The newest messages as items in their order, as many as bytes of them hold and no half turn:
 * the first is a user's, where there is one. The caller's callback takes over items and frees
 * them (item_finish each, then free). left_out: how many older ones there are.
 */
typedef void store_items_cb(
    void *data, int rc, struct item *items, size_t count, uint64_t left_out);
void store_items_load(
    struct store *s, int64_t session, size_t bytes, store_items_cb *done, void *data);

#endif
