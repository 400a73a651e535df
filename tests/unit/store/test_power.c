/*
 * The power goes: what was written and not synced is on the disk in part, sector by sector, as
 * chance has it. After that the store must open, its logs must be whole, and what was acknowledged
 * as durable must be there. OPTA_POWER sets the number of cuts (40), OPTA_SEED the first seed.
 *
 * The disk is a VFS over SQLite's own (https://www.sqlite.org/vfs.html) that remembers what the
 * last sync made safe.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "store/db.h"
#include "store/gaps.h"
#include "store/log.h"
#include "store/salvage.h"
#include "store/sessions.h"
#include "store/world.h"

enum { SECTOR = 512, MAX_FILES = 8, MAX_FILE = 64 * 1024 * 1024, TURNS = 60 };

/* --- the disk --- */

/* A file as the platter has it. */
struct platter {
	char path[600];
	struct buf safe;
	bool used;
};

struct wrapped {
	sqlite3_file base;
	struct platter *platter;
	sqlite3_file *real; /* behind this struct, in the same allocation */
};

static sqlite3_vfs *real_vfs;
static sqlite3_vfs cut_vfs;
static sqlite3_io_methods methods;
static pthread_mutex_t disk = PTHREAD_MUTEX_INITIALIZER; /* one thing at a time, and the cut */
static struct platter platters[MAX_FILES];
static long operations_left; /* until the power goes; negative: never */
static unsigned seed;

static void load(const char *path, struct buf *out)
{
	struct err err;

	buf_clear(out);
	file_read(path, MAX_FILE, out, &err);
}

/* The file as it is found after the cut: each sector that was not safe is old or new. */
static void put_found(const struct platter *p, struct buf *out)
{
	/* Nothing, everything, about half, nearly everything of what was under way arrived. */
	static const int chances[] = {0, 100, 50, 90};
	int chance = chances[(unsigned)rand_r(&seed) % 4];
	struct buf now = {0};
	size_t n;

	load(p->path, &now);
	n = now.len > p->safe.len ? now.len : p->safe.len;
	buf_add(out, p->safe.p, p->safe.len);
	for (size_t at = 0; at < n; at += SECTOR) {
		size_t take = now.len > at ? now.len - at : 0;

		take = take < SECTOR ? take : SECTOR;
		if (!take || (int)((unsigned)rand_r(&seed) % 100) >= chance)
			continue;
		/* A sector that arrived lies behind zeros where others did not. */
		while (out->len < at + take)
			buf_addc(out, '\0');
		memcpy(out->p + at, now.p + at, take);
	}
	/* It was cut short, and that arrived. */
	if (now.len < out->len && (int)((unsigned)rand_r(&seed) % 100) < chance)
		out->len = now.len;
	buf_finish(&now);
}

/* Leave what the platters hold in unit_dir/found, and end. */
static void cut(void)
{
	for (size_t i = 0; i < MAX_FILES; i++) {
		struct buf found = {0};
		const char *name;
		struct err err;

		if (!platters[i].used)
			continue;
		name = strrchr(platters[i].path, '/') + 1;
		put_found(&platters[i], &found);
		if (found.len &&
		    file_replace(unit_path("found"), name, found.p, found.len, 0600, &err) != 0)
			_exit(3);
		buf_finish(&found);
	}
	_exit(0);
}

/* With the disk's lock: one more operation, the last one maybe. */
static void count_operation(void)
{
	if (operations_left >= 0 && operations_left-- == 0)
		cut();
}

static sqlite3_file *real_of(sqlite3_file *file)
{
	return ((struct wrapped *)file)->real;
}

static int on_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
	int rc;

	pthread_mutex_lock(&disk);
	rc = real_of(file)->pMethods->xWrite(real_of(file), p, n, at);
	count_operation();
	pthread_mutex_unlock(&disk);
	return rc;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	int rc;

	pthread_mutex_lock(&disk);
	rc = real_of(file)->pMethods->xTruncate(real_of(file), size);
	count_operation();
	pthread_mutex_unlock(&disk);
	return rc;
}

/* The platter has it now; the real disk need not be waited for. */
static int on_sync(sqlite3_file *file, int flags)
{
	struct platter *p = ((struct wrapped *)file)->platter;

	pthread_mutex_lock(&disk);
	count_operation();
	if (p)
		load(p->path, &p->safe);
	pthread_mutex_unlock(&disk);
	return SQLITE_OK;
}

static int on_close(sqlite3_file *file)
{
	return real_of(file)->pMethods->xClose(real_of(file));
}

static int on_read(sqlite3_file *file, void *p, int n, sqlite3_int64 at)
{
	return real_of(file)->pMethods->xRead(real_of(file), p, n, at);
}

static int on_size(sqlite3_file *file, sqlite3_int64 *size)
{
	return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int on_lock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int on_unlock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int on_check(sqlite3_file *file, int *ret)
{
	return real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret);
}

static int on_control(sqlite3_file *file, int op, void *arg)
{
	return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int on_sector(sqlite3_file *file)
{
	return SECTOR;
}

/* Nothing is promised: no atomic writes, no order, no safe append. */
static int on_device(sqlite3_file *file)
{
	return 0;
}

static int on_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret)
{
	return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, ret);
}

static int on_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void on_shm_barrier(sqlite3_file *file)
{
	real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int on_shm_unmap(sqlite3_file *file, int remove)
{
	return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static struct platter *platter_of(const char *path)
{
	for (size_t i = 0; i < MAX_FILES; i++) {
		if (platters[i].used && strcmp(platters[i].path, path) == 0)
			return &platters[i];
		if (!platters[i].used) {
			platters[i].used = true;
			snprintf(platters[i].path, sizeof platters[i].path, "%s", path);
			load(path, &platters[i].safe);
			return &platters[i];
		}
	}
	return NULL;
}

static int on_open(
    sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
	struct wrapped *w = (struct wrapped *)file;
	int rc;

	w->real = (sqlite3_file *)(w + 1);
	rc = real_vfs->xOpen(real_vfs, name, w->real, flags, ret_flags);
	w->base.pMethods = rc == SQLITE_OK ? &methods : NULL;
	if (rc == SQLITE_OK && name) {
		pthread_mutex_lock(&disk);
		w->platter = platter_of(name);
		pthread_mutex_unlock(&disk);
	} else {
		w->platter = NULL;
	}
	return rc;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	int rc;

	pthread_mutex_lock(&disk);
	count_operation();
	rc = real_vfs->xDelete(real_vfs, name, sync);
	for (size_t i = 0; rc == SQLITE_OK && i < MAX_FILES; i++)
		if (platters[i].used && strcmp(platters[i].path, name) == 0)
			buf_clear(&platters[i].safe);
	pthread_mutex_unlock(&disk);
	return rc;
}

static void use_disk(void)
{
	real_vfs = sqlite3_vfs_find(NULL);
	cut_vfs = *real_vfs;
	cut_vfs.zName = "cut";
	cut_vfs.szOsFile = (int)sizeof(struct wrapped) + real_vfs->szOsFile;
	cut_vfs.xOpen = on_open;
	cut_vfs.xDelete = on_delete;
	methods = (sqlite3_io_methods){.iVersion = 2,
	    .xClose = on_close,
	    .xRead = on_read,
	    .xWrite = on_write,
	    .xTruncate = on_truncate,
	    .xSync = on_sync,
	    .xFileSize = on_size,
	    .xLock = on_lock,
	    .xUnlock = on_unlock,
	    .xCheckReservedLock = on_check,
	    .xFileControl = on_control,
	    .xSectorSize = on_sector,
	    .xDeviceCharacteristics = on_device,
	    .xShmMap = on_shm_map,
	    .xShmLock = on_shm_lock,
	    .xShmBarrier = on_shm_barrier,
	    .xShmUnmap = on_shm_unmap};
	assert_int_equal(sqlite3_vfs_register(&cut_vfs, 1), SQLITE_OK);
}

/* --- the work, in a child that dies of the cut --- */

static struct log *log_of_s;
static unsigned answered;
static int told; /* the pipe to who looks afterwards */

static void on_durable(void *data, uint64_t seq)
{
}

static void on_failed(void *data, int rc)
{
	_exit(4);
}

/* A durable write was committed: say what must be there from now on. */
static void on_kept(void *data, int rc)
{
	struct buf line = {0};

	if (rc != 0)
		_exit(5);
	answered++;
	buf_addf(&line, "%s %llu\n", (const char *)data, (unsigned long long)log_durable(log_of_s));
	if (file_write_all(told, line.p, line.len) != 0)
		_exit(6);
	buf_finish(&line);
}

static void append(const char *text, size_t n)
{
	struct buf payload = {0};

	buf_adds(&payload, "{\"turnId\":\"t\",\"text\":");
	json_put_str(&payload, text, n);
	buf_addc(&payload, '}');
	log_append(log_of_s, EVENT_TURN_TOKEN, payload.p, payload.len);
	buf_finish(&payload);
}

static void work(void)
{
	static char names[TURNS][24], ends[TURNS][24];
	static char filler[30000];
	struct session_row row = world_row(1, "s");
	struct err err;

	memset(filler, 'x', sizeof filler);
	uv_loop_init(&loop);
	uv_timer_init(&loop, &alive);
	uv_timer_start(&alive, on_alive, 1000000, 0);
	if (store_open(&loop, unit_path("disk"), "daemon_a", NULL, &store, &stats, &err) != 0)
		_exit(7);
	log_of_s = log_new(&(struct log_opts){.store = store,
	    .session = 1,
	    .session_id = "s",
	    .daemon_id = "daemon_a",
	    .on_durable = on_durable,
	    .on_failed = on_failed});
	append("snapshot", 8);
	store_session_put(store, &row, true, on_kept, (void *)(uintptr_t) "session");
	run_until(answered == 1);
	for (unsigned i = 0; i < TURNS; i++) {
		snprintf(names[i], sizeof names[i], "turn%u", i);
		snprintf(ends[i], sizeof ends[i], "end%u", i);
		append("queued", 6);
		store_turn_add(store, 1, names[i], "w", "c", "chat", names[i], log_last(log_of_s),
		    on_kept, names[i]);
		run_until(answered == 2 + 2 * i);
		for (unsigned k = 0; k < 5; k++) {
			append(filler, sizeof filler);
			uv_run(&loop, UV_RUN_NOWAIT);
		}
		world_message(1, i + 1, "{\"role\":\"user\",\"content\":\"words to find\"}");
		store_turn_end(store, 1, names[i], on_kept, ends[i]);
		run_until(answered == 3 + 2 * i);
	}
	pthread_mutex_lock(&disk);
	cut();
}

/* --- looking at what is left --- */

static bool has_turn(struct db *db, const char *id, bool ended)
{
	sqlite3_stmt *stmt =
	    db_query(db, "SELECT state FROM turns WHERE session = 1 AND id = ?", "t", id);
	bool has = db_step(db, stmt) == 1;

	if (has) {
		/* One that was accepted and not ended was ended by the recovery. */
		has = sqlite3_column_int(stmt, 0) == 0 || !ended;
		sqlite3_reset(stmt);
	}
	return has;
}

static int end_turn(struct open_turn *t)
{
	struct buf payload = {0};
	int rc;

	buf_adds(&payload, "{}");
	rc = open_turn_append(t, EVENT_TURN_ERROR, &payload);
	buf_finish(&payload);
	return rc;
}

static void look(unsigned round_seed, const char *said)
{
	struct str rest = str_of(said), line, word;
	struct err err;
	struct db *db;
	int64_t last;

	uv_loop_init(&loop);
	uv_timer_init(&loop, &alive);
	uv_timer_start(&alive, on_alive, 1000000, 0);
	if (store_open(&loop, unit_path("found"), "daemon_b", end_turn, &store, &stats, &err) != 0)
		fail_msg("seed %u: the store does not open: %s", round_seed, err.text);
	world_close();
	if (salvage_check(unit_path("found/opta.db"), &err) != 0)
		fail_msg("seed %u: %s", round_seed, err.text);
	assert_int_equal(db_open(unit_path("found/opta.db"), true, &db, &err), 0);
	last = db_number(db, "SELECT max(last_seq) FROM segments", 0);
	while (rest.n) {
		uint64_t seq;
		char id[24];

		rest = str_cut(rest, '\n', &line);
		line = str_cut(line, ' ', &word);
		snprintf(id, sizeof id, "%.*s", (int)word.n, word.p);
		assert_true(str_parse_u64(line, UINT64_MAX, &seq));
		if ((uint64_t)last < seq)
			fail_msg("seed %u: after %s there were %llu events, now %lld", round_seed,
			    id, (unsigned long long)seq, (long long)last);
		if (strncmp(id, "turn", 4) == 0 && !has_turn(db, id, false))
			fail_msg("seed %u: %s was accepted and is gone", round_seed, id);
		if (strncmp(id, "end", 3) == 0) {
			char turn[32];

			snprintf(turn, sizeof turn, "turn%s", id + 3);
			if (!has_turn(db, turn, true))
				fail_msg("seed %u: %s had ended and has not", round_seed, turn);
		}
	}
	/* The index for the search speaks of the messages there are. */
	assert_int_equal(
	    db_number(
		db, "SELECT count(*) FROM message_search WHERE message_search MATCH 'words'", -1),
	    db_number(db, "SELECT count(*) FROM messages", -2));
	db_close(db);
}

static void remove_all(const char *dir)
{
	static const char *const names[] = {"opta.db", "opta.db-wal", "opta.db-shm"};

	for (size_t i = 0; i < 3; i++) {
		char path[700];

		snprintf(path, sizeof path, "%s/%s", unit_path(dir), names[i]);
		unlink(path);
	}
}

static void one_cut(unsigned round_seed)
{
	struct buf said = {0};
	int fds[2], status;
	pid_t pid;
	ssize_t n;

	remove_all("disk");
	remove_all("found");
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		told = fds[1];
		seed = round_seed;
		/* Most cuts fall into the work, some into the making of the database. */
		operations_left = rand_r(&seed) % (rand_r(&seed) % 4 ? 2500 : 120);
		use_disk();
		work();
	}
	close(fds[1]);
	while ((n = read(fds[0], buf_reserve(&said, 65536), 65536)) > 0)
		said.len += (size_t)n;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("seed %u: the work ended with status %d", round_seed, status);
	look(round_seed, buf_cstr(&said));
	buf_finish(&said);
}

static void what_was_acknowledged_survives(void **state)
{
	const char *count = getenv("OPTA_POWER"), *first = getenv("OPTA_SEED");
	uint64_t rounds = 40, at = (uint64_t)getpid();

	if (count)
		assert_true(str_parse_u64(str_of(count), 1000000, &rounds));
	if (first)
		assert_true(str_parse_u64(str_of(first), UINT32_MAX, &at));
	assert_int_equal(mkdir(unit_path("disk"), 0700), 0);
	assert_int_equal(mkdir(unit_path("found"), 0700), 0);
	for (uint64_t i = 0; i < rounds; i++)
		one_cut((unsigned)(at + i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		what_was_acknowledged_survives, unit_make_dir, unit_remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
