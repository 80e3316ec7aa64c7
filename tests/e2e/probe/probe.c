// What a program inside a sandbox can read, see, signal, mount and connect to: one line per
// question, "question: answer". Static, so that it needs nothing of the root it looks at. Its
// output is compared with expected.txt; a line that changes is a hole or a mended one.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char* answer(long result) {
    return result >= 0 ? "YES" : strerrorname_np(errno);
}
static void say(const char* kind, const char* what, const char* result) {
    printf("%s %s: %s\n", kind, what, result);
}

static void can_read(const char* path) {
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    char byte;
    struct stat info;
    if (fd < 0) {
        say("read", path, answer(-1));
    } else if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        DIR* all = fdopendir(fd);
        int count = 0;
        for (const struct dirent* entry; (entry = readdir(all)) != NULL;) {
            count += entry->d_name[0] != '.';
        }
        say("read", path, count == 0 ? "empty" : "YES, a directory");
        closedir(all);
        return;
    } else {
        const long got = read(fd, &byte, 1);
        say("read", path, got == 0 ? "empty" : answer(got));
    }
    close(fd);
}

static void can_write(const char* path) {
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    say("write", path, answer(fd));
    if (fd >= 0) {
        close(fd);
    }
}

static int by_name(const void* a, const void* b) {
    return strcmp(*(char* const*)a, *(char* const*)b);
}
static void list(const char* path) {
    DIR* all = opendir(path);
    char* names[256];
    int count = 0;
    for (const struct dirent* entry;
         all != NULL && count < 256 && (entry = readdir(all)) != NULL;) {
        if (entry->d_name[0] != '.') {
            names[count++] = strdup(entry->d_name);
        }
    }
    if (all != NULL) {
        closedir(all);
    }
    qsort(names, (size_t)count, sizeof(names[0]), by_name);
    printf("list %s:", path);
    for (int i = 0; i < count; ++i) {
        printf(" %s", names[i]);
        free(names[i]);
    }
    printf("\n");
}

static void can_connect_unix(const char* path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    say("connect", path, answer(connect(fd, (struct sockaddr*)&address, sizeof(address))));
    close(fd);
}

static void can_make(const char* what, int family, int type, int protocol) {
    const int fd = socket(family, type | SOCK_CLOEXEC, protocol);
    say("socket", what, answer(fd));
    if (fd >= 0) {
        close(fd);
    }
}

static void status_line(const char* key) {
    char line[512];
    FILE* file = fopen("/proc/self/status", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':') {
            char* value = line + strlen(key) + 1;
            while (*value == ' ' || *value == '\t') {
                ++value;
            }
            printf("status %s: %s", key, value);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

static void mounts(void) {
    char line[4096];
    FILE* file = fopen("/proc/self/mountinfo", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        char point[1024];
        char options[1024];
        if (sscanf(line, "%*s %*s %*s %*s %1023s %1023s", point, options) == 2) {
            const char* flags[] = {"ro", "nosuid", "nodev", "noexec"};
            printf("mount %s:", point);
            for (size_t i = 0; i < 4; ++i) {
                char padded[1100];
                char wanted[16];
                snprintf(padded, sizeof(padded), ",%s,", options);
                snprintf(wanted, sizeof(wanted), ",%s,", flags[i]);
                if (strstr(padded, wanted) != NULL) {
                    printf(" %s", flags[i]);
                }
            }
            printf("\n");
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

// argv: paths of the host that must not be seen, given by who knows them.
int main(int argc, char** argv) {
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    list("/");
    list("/dev");
    list("/proc/self/fd");
    for (const char* const* path = (const char* const[]){"/etc/shadow",
                                                         "/etc/ssh",
                                                         "/etc/machine-id",
                                                         "/root",
                                                         "/home",
                                                         "/var/lib",
                                                         "/boot",
                                                         "/srv",
                                                         "/mnt",
                                                         "/run",
                                                         "/proc/kcore",
                                                         "/proc/keys",
                                                         "/proc/timer_list",
                                                         "/proc/sched_debug",
                                                         "/proc/kmsg",
                                                         "/proc/acpi",
                                                         "/proc/scsi",
                                                         "/proc/1/environ",
                                                         "/proc/1/root",
                                                         "/proc/1/fd",
                                                         "/proc/1/mem",
                                                         "/proc/sys/kernel/core_pattern",
                                                         "/sys/firmware",
                                                         "/sys/kernel/debug",
                                                         "/sys/fs/cgroup",
                                                         "/dev/mem",
                                                         "/dev/kmsg",
                                                         NULL};
         *path != NULL; ++path) {
        can_read(*path);
    }
    for (const char* const* path =
             (const char* const[]){
                 "/probe", "/usr/probe", "/etc/probe", "/etc/passwd", "/app/probe", "/tmp/probe",
                 "/dev/probe", "/dev/shm/probe", "/run/probe", "/proc/sys/kernel/core_pattern",
                 "/proc/sysrq-trigger", "/proc/self/oom_score_adj", "/sys/probe", NULL};
         *path != NULL; ++path) {
        can_write(*path);
    }
    for (int i = 1; i < argc; ++i) {
        // The path differs from run to run; that it is gone does not.
        struct stat info;
        printf("secret %d: %s\n", i, answer(stat(argv[i], &info)));
    }

    DIR* processes = opendir("/proc");
    int count = 0;
    for (const struct dirent* entry; (entry = readdir(processes)) != NULL;) {
        count += entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
    }
    closedir(processes);
    printf("processes seen: %d\n", count);
    say("signal", "init", answer(kill(1, 0)));
    say("signal", "everybody else", answer(kill(-1, 0)));
    say("ptrace", "init", answer(ptrace(PTRACE_ATTACH, 1, NULL, NULL)));
    say("priority", "higher", answer(setpriority(PRIO_PROCESS, 0, -5)));

    for (const char* const* key = (const char* const[]){"CapInh", "CapPrm", "CapEff", "CapBnd",
                                                        "CapAmb", "NoNewPrivs", "Seccomp", NULL};
         *key != NULL; ++key) {
        status_line(*key);
    }
    say("setuid", "0", answer(setuid(0)));
    say("mount", "tmpfs", answer(mount("none", "/tmp", "tmpfs", 0, NULL)));
    say("umount", "/proc", answer(umount2("/proc", MNT_DETACH)));
    say("pivot_root", "/tmp", answer(syscall(SYS_pivot_root, "/tmp", "/tmp")));
    say("chroot", "/tmp", answer(chroot("/tmp")));
    say("unshare", "user", answer(unshare(CLONE_NEWUSER)));
    say("unshare", "mount", answer(unshare(CLONE_NEWNS)));
    say("clone", "user", answer(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)));
    say("setns", "init", answer(setns(open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC), 0)));
    say("mknod", "block device", answer(mknod("/tmp/disk", S_IFBLK | 0600, makedev(8, 0))));
    say("hostname", "set", answer(sethostname("x", 1)));
    say("bpf", "load", answer(syscall(SYS_bpf, 5, NULL, 0)));
    say("io_uring", "setup", answer(syscall(SYS_io_uring_setup, 1, NULL)));
    say("userfaultfd", "open", answer(syscall(SYS_userfaultfd, 1)));
    say("perf", "open", answer(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0)));
    say("keyctl", "join", answer(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL)));
    say("module", "load", answer(syscall(SYS_finit_module, -1, "", 0)));
    say("kexec", "load", answer(syscall(SYS_kexec_load, 0, 0, NULL, 0)));
    say("syslog", "read", answer(syscall(SYS_syslog, 3, NULL, 0)));
    say("reboot", "now", answer(syscall(SYS_reboot, 0, 0, 0, NULL)));
    say("clock", "set", answer(syscall(SYS_clock_settime, 0, NULL)));
    say("swap", "on", answer(syscall(SYS_swapon, "/tmp/x", 0)));
    say("handle", "open", answer(syscall(SYS_open_by_handle_at, -1, NULL, 0)));

    can_make("tcp", AF_INET, SOCK_STREAM, 0);
    can_make("tcp6", AF_INET6, SOCK_STREAM, 0);
    can_make("udp", AF_INET, SOCK_DGRAM, 0);
    can_make("raw", AF_INET, SOCK_RAW, IPPROTO_ICMP);
    can_make("packet", AF_PACKET, SOCK_RAW, 0);
    can_make("vsock", AF_VSOCK, SOCK_STREAM, 0);
    can_make("alg", AF_ALG, SOCK_SEQPACKET, 0);
    can_connect_unix("/run/docker.sock");
    can_connect_unix("/run/dbus/system_bus_socket");
    mounts();
    fflush(stdout);
    return 0;
}
