/*
 * The floor of replay: read the rows of a session's log from SQLite and write
 * them to a socket as they are.
 *
 * replay DATABASE SESSION_NUMBER
 * Prints its port, serves connections one after another until it is ended.
 */
#include <sqlite3.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "wire.h"

static void serve(sqlite3 *db, int64_t session, int fd)
{
	sqlite3_stmt *stmt;

	sqlite3_prepare_v2(
	    db, "SELECT bytes FROM segments WHERE id >= ? AND id < ? ORDER BY id", -1, &stmt, NULL);
	sqlite3_bind_int64(stmt, 1, session << 36);
	sqlite3_bind_int64(stmt, 2, (session + 1) << 36);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		if (file_write_all(fd, sqlite3_column_blob(stmt, 0),
			(size_t)sqlite3_column_bytes(stmt, 0)) != 0)
			break;
	sqlite3_finalize(stmt);
	shutdown(fd, SHUT_WR);
}

int main(int argc, char **argv)
{
	uint64_t session;
	sqlite3 *db;
	int listener, fd;

	if (argc != 3 || !str_parse_u64(str_of(argv[2]), INT64_MAX, &session) ||
	    sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
		return 2;
	listener = wire_listen();
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		serve(db, (int64_t)session, fd);
		recv(fd, &(char){0}, 1, 0);
		close(fd);
	}
	return 0;
}
