/* SPDX-License-Identifier: Apache-2.0 */
/* Every file of a corpus through its fuzz target, and every beginning of it: corpus FOLDER. */
#include "base/cleanup.h"
#include "base/io.h"
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>

int main(int argc, char **argv)
{
	DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *entry;
	unsigned n = 0;

	if (!folder) {
		fprintf(stderr, "corpus FOLDER\n");
		return 64;
	}
	while ((entry = readdir(folder))) {
		AUTO_FREE char *text = NULL;
		size_t length;

		if (entry->d_name[0] == '.')
			continue;
		if (read_file_at(dirfd(folder), entry->d_name, 1 << 20, &text, &length) < 0) {
			printf("not ok every_input_of_the_corpus_is_survived: %s\n", entry->d_name);
			return 1;
		}
		/* What was read last stands in the output if it is not survived. */
		fprintf(stderr, "%s\n", entry->d_name);
		for (size_t cut = 0; cut <= length; cut += 1 + length / 200)
			LLVMFuzzerTestOneInput((const uint8_t *)text, cut);
		LLVMFuzzerTestOneInput((const uint8_t *)text, length);
		n++;
	}
	closedir(folder);
	if (n == 0) {
		printf("skip every_input_of_the_corpus_is_survived: it is empty\n");
		return 77;
	}
	printf("ok every_input_of_the_corpus_is_survived\n");
	return 0;
}
