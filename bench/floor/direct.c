/*
 * A direct client of the model server, which reads and drops: how fast the
 * model server is when nobody works with what it says.
 *
 * direct MODEL_PORT QUESTION
 * prints: seconds from the first byte to the last, bytes
 */
#include <sys/socket.h>

#include "base/clock.h"
#include "wire.h"

int main(int argc, char **argv)
{
	static char space[256 * 1024];
	uint64_t first = 0, bytes = 0;
	ssize_t n;
	int fd;

	if (argc != 3)
		return 2;
	fd = wire_ask_model((int)wire_number(argv[1]), argv[2]);
	while ((n = recv(fd, space, sizeof space, 0)) > 0) {
		if (!first)
			first = clock_mono_us();
		bytes += (uint64_t)n;
	}
	printf("%.6f %llu\n", (double)(clock_mono_us() - first) / 1e6, (unsigned long long)bytes);
	return 0;
}
