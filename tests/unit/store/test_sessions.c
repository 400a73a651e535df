/* store/sessions: rows of sessions, turns and messages. */
#include "store/sessions.h"

#include "base/json.h"
#include "store/world.h"

struct loaded {
	unsigned times;
	int rc;
	bool found;
	struct session_row row; /* numbers only */
	char title[64], metadata[64];
};

static void on_loaded(void *data, int rc, struct session_row *row)
{
	struct loaded *l = data;

	l->times++;
	l->rc = rc;
	l->found = row != NULL;
	if (!row)
		return;
	l->row = *row;
	snprintf(l->title, sizeof l->title, "%s", row->title);
	snprintf(l->metadata, sizeof l->metadata, "%s", row->metadata);
}

static struct loaded load(const char *id)
{
	struct loaded l = {0};

	store_session_load(store, id, on_loaded, &l);
	assert_int_equal(l.times, 0);
	run_until(l.times);
	assert_int_equal(l.rc, 0);
	return l;
}

static void a_row_comes_back_as_it_was_put(void **state)
{
	struct session_row row = world_row(4, "four");
	struct outcome o = {0};
	struct loaded l;
	char title[] = "a title";

	row.title = title;
	row.metadata = (char *)(uintptr_t) "{\"k\":1}";
	row.turn_count = 2;
	row.message_count = 3;
	row.tool_calls = 4;
	row.writer_count = 5;
	row.last_seq = 6;
	row.last_turn_seq = 7;
	store_session_put(store, &row, true, on_outcome, &o);
	/* The store works on its own copy. */
	memset(title, 'x', sizeof title - 1);
	run_until(o.times);
	assert_int_equal(o.rc, 0);
	l = load("four");
	assert_true(l.found);
	assert_string_equal(l.title, "a title");
	assert_string_equal(l.metadata, "{\"k\":1}");
	assert_int_equal(l.row.num, 4);
	assert_int_equal(l.row.created_ms, 5);
	assert_int_equal(l.row.updated_ms, 6);
	assert_int_equal(l.row.turn_count, 2);
	assert_int_equal(l.row.message_count, 3);
	assert_int_equal(l.row.tool_calls, 4);
	assert_int_equal(l.row.writer_count, 5);
	assert_int_equal(l.row.last_turn_seq, 7);
	assert_false(load("five").found);
	assert_false(load("").found);
}

static void a_second_put_changes_the_row_but_not_its_birth(void **state)
{
	struct session_row row = world_row(1, "one");
	struct outcome o = {0};
	struct loaded l;

	world_put(1, "one");
	row.title = (char *)(uintptr_t) "new";
	row.created_ms = 99;
	row.updated_ms = 100;
	store_session_put(store, &row, false, on_outcome, &o);
	run_until(o.times);
	l = load("one");
	assert_string_equal(l.title, "new");
	assert_int_equal(l.row.created_ms, 5);
	assert_int_equal(l.row.updated_ms, 100);
	/* The same id under another number is a slip, and fails. */
	row.num = 2;
	o.times = 0;
	store_session_put(store, &row, false, on_outcome, &o);
	run_until(o.times);
	assert_int_equal(o.rc, -EEXIST);
}

struct found {
	unsigned times;
	int rc;
	char turn[64];
	bool known, new_writer;
};

static void on_found(void *data, int rc, const char *turn_id, bool new_writer)
{
	struct found *f = data;

	f->times++;
	f->rc = rc;
	f->known = turn_id != NULL;
	snprintf(f->turn, sizeof f->turn, "%s", turn_id ? turn_id : "");
	f->new_writer = new_writer;
}

static struct found find(int64_t session, const char *key, const char *writer)
{
	struct found f = {0};

	store_turn_find(store, session, key, writer, on_found, &f);
	run_until(f.times);
	assert_int_equal(f.rc, 0);
	return f;
}

static void a_turn_is_found_by_its_key_and_its_writer_is_known(void **state)
{
	struct outcome o = {0};

	world_put(1, "one");
	store_turn_add(store, 1, "t1", "ann", "c", "chat", "k", 2, on_outcome, &o);
	run_until(o.times);
	assert_string_equal(find(1, "k", "bob").turn, "t1");
	assert_false(find(1, "l", "ann").known);
	assert_false(find(1, "l", "ann").new_writer);
	assert_true(find(1, NULL, "bob").new_writer);
	/* Keys and writers are a session's own. */
	assert_false(find(2, "k", "ann").known);
	assert_true(find(2, "k", "ann").new_writer);
	/* Once more with the key is refused, whoever asks. */
	o.times = 0;
	store_turn_add(store, 1, "t2", "bob", "c", "chat", "k", 3, on_outcome, &o);
	run_until(o.times);
	assert_int_equal(o.rc, -EEXIST);
}

static void an_ended_turn_is_closed_and_only_that(void **state)
{
	struct outcome o = {0};

	world_put(1, "one");
	store_turn_add(store, 1, "t1", "w", "c", "chat", NULL, 2, NULL, NULL);
	store_turn_add(store, 1, "t2", "w", "c", "chat", NULL, 3, NULL, NULL);
	store_turn_end(store, 1, "t1", on_outcome, &o);
	run_until(o.times);
	assert_int_equal(world_number("SELECT count(*) FROM turns WHERE state = 1"), 1);
	assert_int_equal(
	    world_number("SELECT count(*) FROM turns WHERE state = 1 AND id = 't2'"), 1);
}

static void on_json(void *data, int rc, struct buf *json)
{
	struct buf *out = data;

	assert_int_equal(rc, 0);
	buf_clear(out);
	buf_add(out, json->p, json->len);
	buf_addc(out, '\n');
}

static void messages_come_back_in_order_from_where_one_asks(void **state)
{
	struct buf out = {0};

	world_put(1, "one");
	world_put(2, "two");
	world_message(1, 2, "{\"role\":\"user\",\"content\":\"two\"}");
	world_message(1, 1, "{\"role\":\"user\",\"content\":\"one\"}");
	world_message(2, 1, "{\"role\":\"user\",\"content\":\"other\"}");
	world_put(1, "one");
	store_messages_load(store, 1, 1, on_json, &out);
	run_until(out.len);
	assert_string_equal(buf_cstr(&out),
	    "{\"role\":\"user\",\"content\":\"one\"},{\"role\":\"user\",\"content\":\"two\"}\n");
	buf_clear(&out);
	store_messages_load(store, 1, 2, on_json, &out);
	run_until(out.len);
	assert_string_equal(buf_cstr(&out), "{\"role\":\"user\",\"content\":\"two\"}\n");
	buf_clear(&out);
	store_messages_load(store, 3, 1, on_json, &out);
	run_until(out.len);
	assert_string_equal(buf_cstr(&out), "\n");
	buf_finish(&out);
}

struct items {
	struct item *all; /* owned */
	size_t count;
	uint64_t left_out;
	bool done;
};

static void on_items(void *data, int rc, struct item *all, size_t count, uint64_t left_out)
{
	struct items *out = data;

	assert_int_equal(rc, 0);
	*out = (struct items){all, count, left_out, true};
}

static void check_items(size_t bytes, const char *want, uint64_t left_out)
{
	struct items got = {0};
	struct buf text = {0};

	store_items_load(store, 1, bytes, on_items, &got);
	run_until(got.done);
	for (size_t i = 0; i < got.count; i++) {
		buf_addf(&text, "%d:", got.all[i].kind);
		item_put_text(&text, &got.all[i]);
		buf_addc(&text, ' ');
		item_finish(&got.all[i]);
	}
	free(got.all);
	assert_string_equal(buf_cstr(&text), want);
	assert_int_equal(got.left_out, left_out);
	buf_finish(&text);
}

static void the_newest_items_are_read_and_no_half_turn(void **state)
{
	world_put(1, "one");
	world_put(2, "two");
	check_items(1000, "", 0);
	world_message(1, 1, "{\"role\":\"user\",\"content\":\"a\"}");
	world_message(1, 2, "{\"role\":\"assistant\",\"content\":\"b\"}");
	world_message(1, 3, "{\"role\":\"user\",\"content\":\"c\"}");
	world_message(1, 4, "{\"role\":\"assistant\",\"content\":\"d\"}");
	world_message(2, 1, "{\"role\":\"user\",\"content\":\"other\"}");
	world_put(1, "one");
	check_items(1000, "0:a 1:b 0:c 1:d ", 0);
	/* Room for three: the answer without its question stays out. */
	check_items(110, "0:c 1:d ", 2);
	check_items(70, "0:c 1:d ", 2);
	check_items(40, "", 4);
}

static const char *live(void *data, int64_t num)
{
	return num == 2 ? "{\"live\":true}" : NULL;
}

static void list(struct buf *out, uint64_t limit, const char *before, const char *query)
{
	buf_clear(out);
	store_session_list(store,
	    &(struct session_list){.limit = limit, .before = before, .query = query, .live = live},
	    on_json, out);
	run_until(out->len);
}

static void the_list_takes_loaded_sessions_from_memory_and_ignores_case(void **state)
{
	struct session_row row = world_row(3, "three");
	struct buf out = {0};
	json_t *array;

	world_put(1, "one");
	world_put(2, "two");
	row.title = (char *)(uintptr_t) "100% Needle_";
	store_session_put(store, &row, false, NULL, NULL);
	world_put(1, "one");
	list(&out, 0, NULL, NULL);
	assert_int_equal(json_parse(out.p, out.len, &array, NULL), 0);
	assert_int_equal(json_array_size(array), 3);
	assert_string_equal(json_cstr(json_array_get(array, 0), "id", ""), "three");
	assert_true(json_is_true(json_object_get(json_array_get(array, 1), "live")));
	assert_string_equal(json_cstr(json_array_get(array, 2), "status", ""), "idle");
	json_decref(array);
	/* Text is text: no pattern. */
	list(&out, 0, NULL, "0% needle_");
	assert_holds(buf_cstr(&out), "\"three\"");
	list(&out, 0, NULL, "1%N");
	assert_string_equal(buf_cstr(&out), "[]\n");
	list(&out, 1, "three", NULL);
	assert_string_equal(buf_cstr(&out), "[{\"live\":true}]\n");
	list(&out, 0, "nobody", NULL);
	assert_string_equal(buf_cstr(&out), "[]\n");
	buf_finish(&out);
}

static void a_delete_takes_all_of_one_session_and_nothing_of_its_neighbours(void **state)
{
	struct outcome o = {0};

	for (int64_t num = 1; num <= 3; num++) {
		char id[16];

		snprintf(id, sizeof id, "s%d", (int)num);
		world_put(num, id);
		world_message(num, 1, "{\"role\":\"user\",\"content\":\"x\"}");
		store_turn_add(store, num, "t", "w", "c", "chat", "k", 1, NULL, NULL);
	}
	store_session_delete(store, 2, on_outcome, &o);
	run_until(o.times);
	assert_int_equal(o.rc, 0);
	assert_false(load("s2").found);
	assert_true(load("s1").found && load("s3").found);
	assert_int_equal(world_number("SELECT count(*) FROM messages"), 2);
	assert_int_equal(world_number("SELECT count(*) FROM turns WHERE session = 2"), 0);
	assert_int_equal(world_number("SELECT count(*) FROM turns"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    with_store(a_row_comes_back_as_it_was_put),
	    with_store(a_second_put_changes_the_row_but_not_its_birth),
	    with_store(a_turn_is_found_by_its_key_and_its_writer_is_known),
	    with_store(an_ended_turn_is_closed_and_only_that),
	    with_store(messages_come_back_in_order_from_where_one_asks),
	    with_store(the_newest_items_are_read_and_no_half_turn),
	    with_store(the_list_takes_loaded_sessions_from_memory_and_ignores_case),
	    with_store(a_delete_takes_all_of_one_session_and_nothing_of_its_neighbours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
