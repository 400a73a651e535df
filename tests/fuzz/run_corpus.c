/* Runs a fuzzer's body once over each file of the directory it is given. */
#include <assert.h>
#include <dirent.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"
#include "tests/fuzz/fuzz.h"

int main(int argc, char **argv)
{
	struct dirent *e;
	unsigned count = 0;
	DIR *d;

	assert(argc == 2);
	d = opendir(argv[1]);
	assert(d);
	while ((e = readdir(d))) {
		struct buf path = {0}, input = {0};

		if (e->d_name[0] == '.')
			continue;
		buf_addf(&path, "%s/%s", argv[1], e->d_name);
		if (file_read(buf_cstr(&path), 16 * 1024 * 1024, &input, NULL) != 0)
			return 1;
		buf_reserve(&input, 1);
		LLVMFuzzerTestOneInput((const uint8_t *)input.p, input.len);
		count++;
		buf_finish(&path);
		buf_finish(&input);
	}
	closedir(d);
	printf("%u inputs\n", count);
	return count == 0;
}
