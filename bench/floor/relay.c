/*
 * The floor of a relay: what the model server writes is passed on to N clients
 * as it comes. Nothing is read, stored or numbered.
 *
 * relay MODEL_PORT CLIENTS QUESTION
 * Prints its port, takes CLIENTS connections, asks the model server, passes on
 * until that ends.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "wire.h"

enum { RELAY_READ = 64 * 1024 };

int main(int argc, char **argv)
{
	static char space[RELAY_READ];
	int listener, model, *clients;
	size_t count;
	ssize_t n;

	if (argc != 4)
		return 2;
	count = (size_t)wire_number(argv[2]);
	clients = mem_zalloc(count, sizeof *clients);
	listener = wire_listen();
	for (size_t i = 0; i < count; i++)
		clients[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	model = wire_ask_model((int)wire_number(argv[1]), argv[3]);
	while ((n = recv(model, space, sizeof space, 0)) > 0)
		for (size_t i = 0; i < count; i++)
			send(clients[i], space, (size_t)n, MSG_NOSIGNAL);
	close(model);
	/* The clients have read all when they are gone. */
	for (size_t i = 0; i < count; i++)
		recv(clients[i], space, 1, 0);
	return 0;
}
