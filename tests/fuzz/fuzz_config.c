/* config.json; what was accepted must survive being written and read again. */
#include <assert.h>

#include "base/buf.h"
#include "base/config.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *c = NULL, *again = NULL;
	struct buf text = {0};

	if (config_parse((const char *)data, size, "config.json", &c, NULL) != 0)
		return 0;
	for (const struct config_key *k = config_keys; k->name; k++)
		if (k->name[strlen(k->name) - 1] != '*')
			config_show(c, k->name, &text);
	buf_clear(&text);
	config_write(c, &text);
	if (!config_unknown(c, &(const char *){NULL}))
		assert(config_parse(text.p, text.len, "again", &again, NULL) == 0);
	config_free(again);
	config_free(c);
	buf_finish(&text);
	return 0;
}
