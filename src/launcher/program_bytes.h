// The launcher program, carried inside the binary.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/result.h"

namespace tidemill::launcher {

std::span<const std::byte> program_bytes();

// The program as a file that nobody can change and that no directory holds. Its path names this
// process, so children can run it too; it lasts as long as this object.
class ProgramFile {
public:
    // Errors: exhausted (memory, descriptors).
    static base::Result<ProgramFile> make();
    ProgramFile(ProgramFile&& other) noexcept;
    ProgramFile& operator=(ProgramFile&& other) noexcept;
    ~ProgramFile();

    std::string path() const;

private:
    explicit ProgramFile(int descriptor) : descriptor_(descriptor) {}
    int descriptor_;
};

}  // namespace tidemill::launcher
