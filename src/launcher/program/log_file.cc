#include "launcher/program/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace tidemill::launcher {

Failure LogFile::open(const char* directory, std::uint64_t bytes_max) {
    if (directory[0] == '\0') {
        return {};
    }
    // Half of at least two longest lines.
    size_max_ = bytes_max / 2 < 64 * 1024 ? 64 * 1024 : bytes_max / 2;
    if (!make_directories(directory, 0750)) {
        return failure("log-directory", directory);
    }
    struct stat info[2]{};
    for (int i = 0; i < 2; ++i) {
        const Path path(directory, i == 0 ? "/0.log" : "/1.log");
        files_[i].reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND, 0640));
        if (!files_[i].open() || ::fstat(files_[i].get(), &info[i]) != 0) {
            return failure("log", directory);
        }
    }
    now_ = info[1].st_size > 0 && info[1].st_mtim.tv_sec >= info[0].st_mtim.tv_sec ? 1 : 0;
    size_ = static_cast<std::uint64_t>(info[now_].st_size);
    return {};
}

void LogFile::put_out() {
    if (pending_ == 0) {
        return;
    }
    if (size_ + pending_ > size_max_ && size_ > 0) {
        now_ = 1 - now_;
        size_ = 0;
        if (::ftruncate(files_[now_].get(), 0) != 0) {
            size_ = size_max_;
        }
    }
    const ssize_t written = ::write(files_[now_].get(), out_, pending_);
    if (written > 0) {
        size_ += static_cast<std::uint64_t>(written);
    }
    if (written != static_cast<ssize_t>(pending_)) {
        // The disk is full, or broken: cut off what was written of the last line, so that the file
        // stays whole lines.
        std::size_t kept = written > 0 ? static_cast<std::size_t>(written) : 0;
        std::size_t whole = kept;
        while (whole > 0 && out_[whole - 1] != '\n') {
            --whole;
        }
        if (whole < kept &&
            ::ftruncate(files_[now_].get(), static_cast<off_t>(size_ - (kept - whole))) == 0) {
            size_ -= kept - whole;
        }
        for (std::size_t i = whole; i < pending_; ++i) {
            dropped_ += out_[i] == '\n' ? 1U : 0U;
        }
    }
    pending_ = 0;
}

void LogFile::write(const char* text, std::size_t size) {
    if (pending_ + size > sizeof(out_)) {
        put_out();
    }
    std::memcpy(out_ + pending_, text, size);
    pending_ += size;
}

void LogFile::line(const Stream& stream, const char* text, std::size_t size, char tag) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    tm parts{};
    ::gmtime_r(&now.tv_sec, &parts);
    char head[96];
    const auto format = [&](const char* name, char kind) {
        return static_cast<std::size_t>(
            std::snprintf(head, sizeof(head), "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ %s %c ",
                          parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                          parts.tm_min, parts.tm_sec, now.tv_nsec, name, kind));
    };
    if (dropped_ != 0) {
        char mark[64];
        const auto head_size = format("stderr", 'F');
        const auto mark_size = static_cast<std::size_t>(
            std::snprintf(mark, sizeof(mark), "[tidemill] dropped %llu lines: disk full\n",
                          static_cast<unsigned long long>(dropped_)));
        dropped_ = 0;
        write(head, head_size);
        write(mark, mark_size);
        put_out();
        if (dropped_ != 0) {
            dropped_ += parse_number(mark + sizeof("[tidemill] dropped ") - 1) - 1;
        }
    }
    const auto head_size = format(stream.name, tag);
    if (pending_ + head_size + size + 1 > sizeof(out_)) {
        put_out();
    }
    write(head, head_size);
    write(text, size);
    write("\n", 1);
}

bool LogFile::pump(int pipe, Stream& stream) {
    const ssize_t got =
        ::read(pipe, stream.buffer + stream.had, sizeof(stream.buffer) - stream.had);
    if (got <= 0) {
        return false;
    }
    stream.had += static_cast<std::size_t>(got);
    if (!files_[0].open()) {
        stream.had = 0;
        return true;
    }
    std::size_t at = 0;
    while (at < stream.had) {
        const char* begin = stream.buffer + at;
        const auto* end = static_cast<const char*>(std::memchr(begin, '\n', stream.had - at));
        if (end == nullptr) {
            break;
        }
        const auto size = static_cast<std::size_t>(end - begin);
        line(stream, begin, size, 'F');
        at += size + 1;
    }
    stream.had -= at;
    std::memmove(stream.buffer, stream.buffer + at, stream.had);
    if (stream.had == sizeof(stream.buffer)) {
        flush(stream);
    }
    put_out();
    return true;
}

void LogFile::flush(Stream& stream) {
    if (stream.had > 0 && files_[0].open()) {
        line(stream, stream.buffer, stream.had, 'P');
        put_out();
    }
    stream.had = 0;
}

}  // namespace tidemill::launcher
