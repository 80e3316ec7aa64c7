#include "launcher/program/system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstring>

namespace tidemill::launcher {

void Fd::reset(int number) {
    if (number_ >= 0) {
        ::close(number_);
    }
    number_ = number;
}

void Path::add(std::string_view piece) {
    if (size_ + piece.size() >= sizeof(text_)) {
        good_ = false;
        return;
    }
    std::memcpy(text_ + size_, piece.data(), piece.size());
    size_ += piece.size();
    text_[size_] = '\0';
}

void Path::add(std::uint64_t number) {
    char digits[20];
    std::size_t count = 0;
    do {
        digits[sizeof(digits) - ++count] = static_cast<char>('0' + number % 10);
        number /= 10;
    } while (number != 0);
    add(std::string_view(digits + sizeof(digits) - count, count));
}

static std::int64_t read_clock(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}
std::int64_t monotonic_ns() {
    return read_clock(CLOCK_MONOTONIC);
}
std::int64_t wall_ns() {
    return read_clock(CLOCK_REALTIME);
}

bool write_file(const char* path, std::string_view text) {
    const Fd file(::open(path, O_WRONLY | O_CLOEXEC));
    return file.open() &&
           ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

bool write_number(const char* path, std::uint64_t number) {
    return write_file(path, Path(number).view());
}

std::string_view read_file(const char* path, char* into, std::size_t size) {
    const Fd file(::open(path, O_RDONLY | O_CLOEXEC));
    std::size_t had = 0;
    while (file.open() && had + 1 < size) {
        const ssize_t got = ::read(file.get(), into + had, size - 1 - had);
        if (got <= 0) {
            break;
        }
        had += static_cast<std::size_t>(got);
    }
    into[had] = '\0';
    return {into, had};
}

std::uint64_t parse_number(std::string_view text) {
    std::uint64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') {
            break;
        }
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return value;
}

std::uint64_t number_after(std::string_view text, std::string_view key) {
    while (!text.empty()) {
        const char* end = static_cast<const char*>(std::memchr(text.data(), '\n', text.size()));
        const std::size_t length =
            end == nullptr ? text.size() : static_cast<std::size_t>(end - text.data());
        std::string_view line(text.data(), length);
        if (line.size() > key.size() && std::memcmp(line.data(), key.data(), key.size()) == 0 &&
            (line[key.size()] == ' ' || line[key.size()] == '\t')) {
            line.remove_prefix(key.size());
            while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) {
                line.remove_prefix(1);
            }
            return parse_number(line);
        }
        text.remove_prefix(end == nullptr ? length : length + 1);
    }
    return 0;
}

bool make_directories(const char* path, unsigned mode) {
    if (::mkdir(path, mode) == 0 || errno == EEXIST) {
        return true;
    }
    if (errno != ENOENT) {
        return false;
    }
    Path parent{std::string_view(path)};
    const char* slash = std::strrchr(path, '/');
    if (slash == nullptr || slash == path) {
        return false;
    }
    parent = Path(std::string_view(path, static_cast<std::size_t>(slash - path)));
    return make_directories(parent.c_str(), mode) && (::mkdir(path, mode) == 0 || errno == EEXIST);
}

bool read_stat(std::int32_t pid, ProcessStat& into) {
    char text[512];
    const Path path("/proc/", static_cast<std::uint64_t>(pid), "/stat");
    const std::string_view all = read_file(path.c_str(), text, sizeof(text));
    // The command's name may hold anything, ')' too: fields begin after the last one.
    const char* at = static_cast<const char*>(::memrchr(all.data(), ')', all.size()));
    if (at == nullptr || at[1] == '\0') {
        return false;
    }
    at += 2;
    into.state = *at;
    // `at` stands on field 3; parent is field 4, start time field 22 (proc(5)).
    for (int field = 3; field < 22; ++field) {
        at = std::strchr(at, ' ');
        if (at == nullptr) {
            return false;
        }
        ++at;
        if (field == 3) {
            into.parent = static_cast<std::int32_t>(parse_number(at));
        }
    }
    into.start_ticks = parse_number(at);
    return true;
}

}  // namespace tidemill::launcher
