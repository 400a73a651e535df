/*
 * The floor of storing: rows of given sizes, in transactions of given rows,
 * into a fresh SQLite database with a write-ahead log, one after another.
 * SQLite's own settings otherwise, as a program has them that thinks of nothing else.
 *
 * write DATABASE
 * Standard input: a line for each row, its bytes, and "." after the last of a transaction.
 * prints: seconds for all of it, transactions
 */
#include <sqlite3.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/mem.h"
#include "wire.h"

enum { WRITE_ROW_MAX = 16 * 1024 * 1024 };

struct row {
	int bytes; /* 0: end of a transaction */
};

static void exec(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		wire_die(sqlite3_errmsg(db));
}

static void step(sqlite3_stmt *stmt)
{
	if (sqlite3_step(stmt) != SQLITE_DONE)
		wire_die("a step failed");
	sqlite3_reset(stmt);
}

static struct row *read_rows(size_t *ret_count)
{
	struct row *rows = NULL;
	size_t count = 0, room = 0;
	char line[32];

	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (count == room) {
			room = room ? room * 2 : 1024;
			rows = mem_realloc(rows, room * sizeof *rows);
		}
		rows[count].bytes = line[0] == '.' ? 0 : (int)wire_number(line);
		if (rows[count++].bytes > WRITE_ROW_MAX)
			wire_die("a row that is too large");
	}
	*ret_count = count;
	return rows;
}

int main(int argc, char **argv)
{
	sqlite3_stmt *begin, *insert, *commit;
	size_t count, transactions = 0;
	struct row *rows;
	bool several = false; /* rows in this transaction */
	uint64_t begun;
	char *bytes;
	sqlite3 *db;

	if (argc != 2 || sqlite3_open(argv[1], &db) != SQLITE_OK)
		return 2;
	rows = read_rows(&count);
	bytes = mem_zalloc(WRITE_ROW_MAX, 1);
	memset(bytes, 'x', WRITE_ROW_MAX);
	exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
		 "CREATE TABLE segments(id INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL,"
		 "  encoding INTEGER NOT NULL, bytes BLOB NOT NULL);");
	sqlite3_prepare_v2(db, "BEGIN IMMEDIATE", -1, &begin, NULL);
	sqlite3_prepare_v2(db, "INSERT INTO segments VALUES(?,?,0,?)", -1, &insert, NULL);
	sqlite3_prepare_v2(db, "COMMIT", -1, &commit, NULL);
	begun = clock_mono_us();
	for (size_t i = 0; i < count; i++) {
		if (!rows[i].bytes) {
			if (several)
				step(commit);
			transactions++;
			continue;
		}
		/* A row alone is a transaction by itself. */
		if (i == 0 || !rows[i - 1].bytes) {
			several = i + 1 < count && rows[i + 1].bytes;
			if (several)
				step(begin);
		}
		sqlite3_bind_int64(insert, 1, (sqlite3_int64)i + 1);
		sqlite3_bind_int64(insert, 2, (sqlite3_int64)i + 1);
		sqlite3_bind_blob(insert, 3, bytes, rows[i].bytes, SQLITE_STATIC);
		step(insert);
	}
	printf("%.6f %zu\n", (double)(clock_mono_us() - begun) / 1e6, transactions);
	return 0;
}
