/*
 * A database that was damaged on its disk: pages changed anywhere, or a field that holds what no
 * daemon wrote. It is looked at, saved when it is not sound, and what was left open is ended. What
 * was saved must be sound.
 */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "protocol/envelope.h"
#include "session/recovery.h"
#include "store/db.h"
#include "store/gaps.h"
#include "store/open_turns.h"
#include "store/pack.h"
#include "store/salvage.h"
#include "store/schema.h"
#include "store/store.h"
#include "tests/fuzz/fuzz.h"

enum { DATABASE_MAX_CHANGES = 64, DATABASE_MAX_FILE = 16 * 1024 * 1024 };

static char dir[64], path[80];
static struct buf sound; /* the bytes of a database that is */

/* --- the sound one --- */

static const struct event {
	enum event_kind kind;
	const char *payload;
} story[] = {
    {EVENT_SESSION_SNAPSHOT, "{\"snapshot\":{},\"messages\":[]}"},
    {EVENT_TURN_QUEUED, "{\"turnId\":\"t1\",\"content\":\"do it\",\"mode\":\"chat\"}"},
    {EVENT_TURN_START, "{\"turnId\":\"t1\",\"model\":\"m\"}"},
    {EVENT_TURN_TOKEN, "{\"turnId\":\"t1\",\"text\":\"half an \"}"},
    {EVENT_TURN_TOKEN, "{\"turnId\":\"t1\",\"text\":\"answer\"}"},
    {EVENT_TOOL_START, "{\"turnId\":\"t1\",\"name\":\"read_file\",\"id\":\"c1\",\"args\":\"{}\","
		       "\"toolName\":\"read_file\",\"callId\":\"c1\"}"},
    {EVENT_PERMISSION_REQUEST, "{\"turnId\":\"t1\",\"requestId\":\"p1\"}"},
};
enum { STORY = sizeof story / sizeof story[0] };

static void put_event(struct buf *frame, const char *session, uint64_t seq)
{
	const struct event *e = &story[seq - 1];

	envelope_put_frame(frame, &(struct envelope){.kind = e->kind,
				      .daemon_id = "daemon_old",
				      .session_id = session,
				      .seq = seq,
				      .ts_ms = 1700000000000,
				      .payload = e->payload,
				      .payload_len = strlen(e->payload)});
}

/* Session 1 has a row for each event and an open turn, session 2 one packed row of them. */
static void fill(struct db *db)
{
	struct buf frames = {0}, packed = {0};

	db_run(db,
	    "INSERT INTO sessions(num, id, model, title, metadata, created_ms, updated_ms,"
	    " turn_count, message_count, tool_calls, writer_count, last_seq, last_turn_seq)"
	    " VALUES(1,'one','m','t','{}',1,1,1,1,0,1,7,7),(2,'two','','','{}',1,1,0,0,0,0,7,0)",
	    "");
	for (uint64_t seq = 1; seq <= STORY; seq++) {
		buf_clear(&frames);
		put_event(&frames, "one", seq);
		db_run(db, "INSERT INTO segments VALUES(?,?,0,?)", "iib", store_key(1, seq),
		    (int64_t)seq, (const void *)frames.p, frames.len);
	}
	buf_clear(&frames);
	for (uint64_t seq = 1; seq <= STORY; seq++)
		put_event(&frames, "two", seq);
	if (pack_frames(1, STORY, frames.p, frames.len, &packed))
		db_run(db, "INSERT INTO segments VALUES(?,?,1,?)", "iib", store_key(2, 1),
		    (int64_t)STORY, (const void *)packed.p, packed.len);
	db_run(db,
	    "INSERT INTO turns(session, id, state, writer, client, mode, queued_seq)"
	    " VALUES(1,'t1',1,'w','c','chat',2),(1,'t2',1,'w','c','chat',2),(2,'t3',0,'w','c','do',"
	    "2)",
	    "");
	db_run(db, "INSERT INTO messages(id, body) VALUES(?,?)", "it", store_key(1, 1),
	    "{\"role\":\"user\",\"content\":\"do it\"}");
	db_run(db,
	    "INSERT INTO permissions(session, id, turn, tool, created_ms, open)"
	    " VALUES(1,'p1','t1','read_file',1,1)",
	    "");
	db_run(db, "INSERT INTO rules VALUES(1,'read_file','x','allow')", "");
	buf_finish(&frames);
	buf_finish(&packed);
}

static void remove_files(void)
{
	struct dirent *e;
	DIR *d = opendir(dir);

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}

static void remove_dir(void)
{
	remove_files();
	rmdir(dir);
}

/* A fuzzer may end in any way: a child that notices by the end of a pipe leaves nothing behind. */
static void remove_at_the_end(void)
{
	int ends[2];
	char c;

	assert(pipe2(ends, O_CLOEXEC) == 0);
	if (fork() == 0) {
		close(ends[1]);
		while (read(ends[0], &c, 1) > 0)
			;
		remove_dir();
		_exit(0);
	}
	close(ends[0]);
}

static void begin(void)
{
	struct db *db = NULL;
	bool memory = access("/dev/shm", W_OK) == 0;

	snprintf(dir, sizeof dir, "%s/opta-fuzz-XXXXXX", memory ? "/dev/shm" : "/tmp");
	assert(mkdtemp(dir));
	remove_at_the_end();
	snprintf(path, sizeof path, "%s/opta.db", dir);
	assert(db_open(path, false, &db, NULL) == 0);
	assert(schema_migrate(db, path, NULL) == 0);
	fill(db);
	db_run(db, "PRAGMA wal_checkpoint(TRUNCATE)", "");
	db_close(db);
	assert(file_read(path, DATABASE_MAX_FILE, &sound, NULL) == 0);
	assert(salvage_check(path, NULL) == 0);
}

/* --- damage --- */

/* Changes of four bytes each: where (two, in steps of the file's size), how many, with what. */
static void damage_bytes(struct buf *file, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i + 5 <= n && i < DATABASE_MAX_CHANGES * 5; i += 5) {
		size_t at = ((size_t)p[i] << 16 | (size_t)p[i + 1] << 8 | p[i + 2]) % file->len;

		for (size_t k = 0; k <= p[i + 3] && at + k < file->len; k++)
			file->p[at + k] = (char)(p[i + 4] + (p[i + 3] > 128 ? k : 0));
	}
	if (n && p[n - 1] == 0xFF)
		file->len -= file->len / 3; /* and cut short */
}

/* A field of some rows becomes what follows: as bytes, as text, or as a number. */
static void damage_field(const uint8_t *p, size_t n)
{
	static const char *const fields[] = {"segments SET bytes", "segments SET encoding",
	    "segments SET last_seq", "turns SET id", "turns SET writer", "turns SET mode",
	    "turns SET queued_seq", "turns SET session", "messages SET body", "permissions SET id",
	    "permissions SET tool", "permissions SET turn", "sessions SET id",
	    "sessions SET metadata", "sessions SET last_seq", "sessions SET num", "turns SET state",
	    "segments SET id", "messages SET id"};
	static const char *const types[] = {
	    "", "CAST(? AS TEXT)", "CAST(CAST(? AS TEXT) AS INTEGER)"};
	struct db *db = NULL;
	/* The statement is kept by its address, for this connection: one of ours stays as it is. */
	char sql[160];

	if (n < 3 || db_open(path, false, &db, NULL) != 0)
		return;
	db_run(db, "PRAGMA ignore_check_constraints=1", "");
	snprintf(sql, sizeof sql, "UPDATE %s = %s WHERE rowid %% %d = 0",
	    fields[p[0] % (sizeof fields / sizeof fields[0])], p[1] % 3 ? types[p[1] % 3] : "?",
	    1 + p[2] % 5);
	db_run(db, sql, "b", (const void *)(p + 3), n - 3);
	db_run(db, "PRAGMA wal_checkpoint(TRUNCATE)", "");
	db_close(db);
}

/* --- what is done with it --- */

/* A daemon starts. 0, or it refused. */
static int recover(void)
{
	struct db *db = NULL;
	size_t turns;
	int rc = db_open(path, false, &db, NULL);

	if (rc == 0)
		rc = schema_migrate(db, path, NULL);
	if (rc == 0)
		rc = open_turns_end(db, "daemon_new", recovery_end_turn, &turns, NULL);
	db_close(db);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct salvage_report report;
	struct buf file = {0};
	struct err err = {0};
	int rc;

	if (!sound.len)
		begin();
	if (!size)
		return 0;
	remove_files();
	buf_add(&file, sound.p, sound.len);
	if (data[0] % 2 == 0)
		damage_bytes(&file, data + 1, size - 1);
	assert(file_replace(dir, "opta.db", file.p, file.len, 0600, NULL) == 0);
	buf_finish(&file);
	if (data[0] % 2)
		damage_field(data + 1, size - 1);
	/* A daemon that starts without a look, as most do. */
	if (data[0] & 4)
		recover();
	rc = salvage_check(path, &err);
	if (rc != 0 && salvage_run(dir, &report, &err) == 0) {
		rc = salvage_check(path, &err);
		if (rc != 0)
			fprintf(stderr, "not sound after it was saved: %s\n", err.text);
		assert(rc == 0);
		assert(recover() == 0);
	}
	return 0;
}
