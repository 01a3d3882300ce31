/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of NVIDIA's MPS logs, of drivers R319 to R580, and files in which they may stand. */
#include "test.h"

#include "base/io.h"
#include "base/text.h"
#include "driver/mps_log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/carve-log-XXXXXX";

static const struct {
	const char *line;
	int kind; /* -1: tells nothing */
	int32_t server, client, status;
} samples[] = {
	/* control.log */
	{ "[2026-05-31 23:48:21.671 Control 11803] Starting new server 11803 for user 1000",
		MPS_LOG_SERVER_STARTED, 11803, 0, 0 },
	{ "[2026-05-31 23:48:21.748 Control 11107] NEW SERVER 11803: Ready", MPS_LOG_SERVER_READY,
		11803, 0, 0 },
	{ "[2021-12-19 16:26:44.071 Control     1] NEW CLIENT 0 from user 1000: Server is not "
	  "ready, "
	  "push client to pending list",
		-1, 0, 0, 0 },
	{ "[2026-11-24 19:46:28.528 Control 29663] Server 29742 exited with status 1",
		MPS_LOG_SERVER_EXITED, 29742, 0, 1 },
	{ "[2026-11-24 19:46:28.528 Control 29663] Server encountered a fatal exception. Shutting "
	  "down",
		MPS_LOG_FAULT, 0, 0, 0 },
	{ "[2026-11-24 19:46:28.528 Control 29663] Exit with status 0", -1, 0, 0, 0 },
	{ "[2026-11-24 20:14:40.917 Control 31295] Server 5 has 3 active worker threads. Server "
	  "will "
	  "not shutdown.",
		-1, 0, 0, 0 },
	/* server.log, R319 */
	{ "[2013-08-05 13:00:09.269 Server 13929] New client 14781 connected",
		MPS_LOG_CLIENT_CONNECTED, 13929, 14781, 0 },
	{ "[2013-08-05 13:00:09.270 Server 13929] Client 14777 disconnected", MPS_LOG_CLIENT_ENDED,
		13929, 14777, 0 },
	/* R470 */
	{ "[2022-04-28 15:54:07.410 Other 11570] Volta MPS: status of client {11661, 1} is ACTIVE",
		MPS_LOG_CLIENT_CONNECTED, 11570, 11661, 0 },
	{ "[2022-04-28 15:54:11.565 Other 11570] Volta MPS Server is handling a fatal GPU error.",
		MPS_LOG_FAULT, 11570, 0, 0 },
	{ "[2022-04-28 15:54:11.565 Other 11570] Volta MPS: status of client {11641, 1} is "
	  "INACTIVE",
		-1, 0, 0, 0 },
	/* R535, R550 */
	{ "[2026-11-24 20:11:14.801 Other 27281] Server is handling a fatal GPU error.",
		MPS_LOG_FAULT, 27281, 0, 0 },
	{ "[2026-11-24 20:11:14.801 Other 27281] Client process 4711 encountered a fatal GPU "
	  "error.",
		MPS_LOG_FAULT, 27281, 4711, 0 },
	{ "[2026-11-24 20:11:14.801 Other 27281] Client disconnected. Number of active client "
	  "contexts "
	  "is 0.",
		-1, 0, 0, 0 },
	{ "[2026-11-24 20:11:14.825 Other 27281] Driver initialization failed with: no "
	  "CUDA-capable "
	  "device is detected",
		-1, 0, 0, 0 },
	/* R580 */
	{ "[2026-02-06 09:34:36.380 Server   261] Client {PID: 4267, Context ID: 0} connected",
		MPS_LOG_CLIENT_CONNECTED, 261, 4267, 0 },
	{ "[2026-02-06 09:34:36.380 Server   261] Client {4267, 1} exit", MPS_LOG_CLIENT_ENDED, 261,
		4267, 0 },
	{ "[2026-02-06 09:34:36.380 Server   261] Creating server context on device 0 (Tesla T4)",
		-1, 0, 0, 0 },
	/* no line of theirs */
	{ "", -1, 0, 0, 0 },
	{ "[", -1, 0, 0, 0 },
	{ "[]", -1, 0, 0, 0 },
	{ "Client process 99999999999999999999 encountered a fatal GPU error.", -1, 0, 0, 0 },
	{ "Client process -5 encountered a fatal GPU error.", -1, 0, 0, 0 },
	{ "NEW SERVER x: Ready", -1, 0, 0, 0 },
	{ "exited with status 1", -1, 0, 0, 0 },
};

TEST(every_version_s_lines_are_understood)
{
	for (unsigned i = 0; i < ARRAY_SIZE(samples); i++) {
		struct mps_log_event event = { 0 };
		bool is_event = mps_log_parse(samples[i].line, 0, &event);

		CHECK_SAY(is_event == (samples[i].kind >= 0), "%s", samples[i].line);
		if (!is_event || samples[i].kind < 0)
			continue;
		CHECK_SAY((int)event.kind == samples[i].kind && event.server == samples[i].server &&
				  event.client == samples[i].client &&
				  event.status == samples[i].status,
			"%s: kind %d, server %d, client %d, status %d", samples[i].line, event.kind,
			event.server, event.client, event.status);
		CHECK(event.line[0] && event.line[0] != '[');
	}
}

TEST(server_is_back_when_it_makes_its_context_after_a_fault_of_its_own)
{
	const char *line =
		"[2026-02-06 09:34:36.380 Server   261] Creating server context on device 0 "
		"(Tesla T4)";
	struct mps_log_event event;

	CHECK(!mps_log_parse(line, 0, &event));
	CHECK(!mps_log_parse(line, 262, &event));
	CHECK(mps_log_parse(line, 261, &event));
	CHECK_EQ(event.kind, MPS_LOG_SERVER_READY);
	CHECK_EQ(event.server, 261);
}

/* ---- files ---- */

static const char *path_of(const char *file)
{
	static char path[100];

	snprintf(path, sizeof(path), "%s/log/%s", dir, file);
	return path;
}

static void append(const char *file, const char *text, size_t length)
{
	int fd = open(path_of(file), O_WRONLY | O_CREAT | O_APPEND, 0644);

	if (fd < 0 || write_all(fd, text, length) < 0)
		exit(1);
	close(fd);
}

static void say(const char *file, const char *text)
{
	append(file, text, strlen(text));
}

static void make(void)
{
	char path[100];

	if (!mkdtemp(dir))
		exit(1);
	snprintf(path, sizeof(path), "%s/log", dir);
	if (mkdir(path, 0755) < 0)
		exit(1);
}

__attribute__((destructor)) static void unmake(void)
{
	char command[80];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command) != 0)
		fprintf(stderr, "%s is left\n", dir);
}

/* "2 0:17 5:4711": how many events there are, then the kind and pid of each. */
static const char *events(struct mps_log *log)
{
	static char text[400];
	struct mps_log_event event;
	char each[300] = "";
	unsigned n = 0;

	while (n < 20 && mps_log_next(log, &event) > 0) {
		size_t length = strlen(each);

		snprintf(each + length, sizeof(each) - length, " %d:%d", (int)event.kind,
			event.client ?: event.server);
		n++;
	}
	snprintf(text, sizeof(text), "%u%s", n, each);
	return text;
}

TEST(what_is_appended_is_read_once_and_begun_lines_wait)
{
	struct mps_log log;
	struct pollfd news;

	make();
	say("control.log", "NEW SERVER 1: Ready\n");
	mps_log_init(&log, dir, true);
	news = (struct pollfd){ .fd = mps_log_fd(&log), .events = POLLIN };
	CHECK_TEXT(events(&log), "0");
	CHECK_EQ(poll(&news, 1, 0), 0);
	say("control.log", "NEW SERVER 2: Ready\nNEW SERVER");
	CHECK_EQ(poll(&news, 1, 1000), 1);
	CHECK_TEXT(events(&log), "1 1:2");
	CHECK_EQ(poll(&news, 1, 0), 0);
	say("control.log", " 3: Ready\n");
	CHECK_TEXT(events(&log), "1 1:3");
	/* one that was not there */
	say("server.log", "New client 4 connected\n");
	CHECK_TEXT(events(&log), "1 4:4");
	CHECK_EQ(mkdir(path_of("carve"), 0755), 0);
	CHECK_TEXT(events(&log), "0");
	say("carve/server.log", "New client 5 connected\n");
	CHECK_EQ(poll(&news, 1, 1000), 1);
	CHECK_TEXT(events(&log), "1 4:5");
	mps_log_done(&log);
	mps_log_init(&log, dir, false);
	CHECK_TEXT(events(&log), "5 1:1 1:2 1:3 4:4 4:5");
	mps_log_done(&log);
	/* from the middle of a line: that one is left out */
	mps_log_init_tail(&log, dir, 30);
	CHECK_TEXT(events(&log), "3 1:3 4:4 4:5");
	mps_log_done(&log);
}

TEST(files_that_are_cut_or_moved_away_are_followed)
{
	struct mps_log log;
	char old[100];

	mps_log_init(&log, dir, true);
	CHECK_EQ(truncate(path_of("control.log"), 0), 0);
	say("control.log", "NEW SERVER 6: Ready\n");
	CHECK_TEXT(events(&log), "1 1:6");
	say("control.log", "NEW SERVER 7: Ready\n");
	text_copy(old, sizeof(old), path_of("control.log.1"));
	CHECK_EQ(rename(path_of("control.log"), old), 0);
	say("control.log", "NEW SERVER 8: Ready\n");
	CHECK_TEXT(events(&log), "2 1:7 1:8");
	CHECK_EQ(unlink(path_of("control.log")), 0);
	CHECK_TEXT(events(&log), "0");
	say("control.log", "NEW SERVER 9: Ready\n");
	CHECK_TEXT(events(&log), "1 1:9");
	mps_log_done(&log);
}

TEST(links_pipes_and_rubbish_are_no_trouble)
{
	static char rubbish[100000];
	struct mps_log log;
	unsigned seed = 1;

	mps_log_init(&log, dir, true);
	for (unsigned i = 0; i < sizeof(rubbish); i++) {
		seed = seed * 1103515245 + 12345;
		rubbish[i] = (char)(seed >> 16);
	}
	append("control.log", rubbish, sizeof(rubbish));
	events(&log);
	memset(rubbish, 'x', sizeof(rubbish));
	append("control.log", "\nNEW SERVER 10: Ready ", 22);
	append("control.log", rubbish, sizeof(rubbish));
	append("control.log", "\nNEW SERVER 11: Ready\n", 22);
	CHECK_TEXT(events(&log), "2 1:10 1:11");
	append("control.log", "NEW SERVER 12\0: Ready\nNEW SERVER 13: Ready\n", 43);
	CHECK_TEXT(events(&log), "2 1:12 1:13");
	CHECK_EQ(unlink(path_of("server.log")), 0);
	CHECK_EQ(symlink("control.log", path_of("server.log")), 0);
	CHECK_TEXT(events(&log), "0");
	CHECK_EQ(unlink(path_of("server.log")), 0);
	CHECK_EQ(mkfifo(path_of("server.log"), 0600), 0);
	CHECK_TEXT(events(&log), "0");
	mps_log_done(&log);
	mps_log_init(&log, "/nowhere", false);
	CHECK_TEXT(events(&log), "0");
	mps_log_done(&log);
}

TEST_MAIN()
