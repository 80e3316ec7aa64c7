#include "launcher/program_bytes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

extern "C" {
extern const std::byte tidemill_launcher_program_begin[];
extern const std::byte tidemill_launcher_program_end[];
}

namespace tidemill::launcher {

std::span<const std::byte> program_bytes() {
    return {tidemill_launcher_program_begin, tidemill_launcher_program_end};
}

base::Result<ProgramFile> ProgramFile::make() {
    ProgramFile file(::memfd_create("tidemill-launcher", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    const auto bytes = program_bytes();
    if (file.descriptor_ < 0 ||
        ::write(file.descriptor_, bytes.data(), bytes.size()) !=
            static_cast<ssize_t>(bytes.size()) ||
        ::fcntl(file.descriptor_, F_ADD_SEALS,
                F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
        return base::fail(base::Code::exhausted, "launcher program: no memory file: {}",
                          std::strerror(errno));
    }
    return file;
}

ProgramFile::ProgramFile(ProgramFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}
ProgramFile& ProgramFile::operator=(ProgramFile&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
}
ProgramFile::~ProgramFile() {
    if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
}

std::string ProgramFile::path() const {
    return fmt::format("/proc/{}/fd/{}", ::getpid(), descriptor_);
}

}  // namespace tidemill::launcher
