// Where one build works.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "host/disk.h"
#include "host/offload.h"

namespace tidemill::builder {

// A directory of one build, removed with all that is in it when the last who holds it lets go. Held
// on the loop only. What a crash leaves is swept when the Builder starts.
class Scratch {
public:
    // `number`: of this build, unlike that of any other which goes on.
    Scratch(host::Disk& disk, host::Offload& offload, std::string path, std::uint32_t number)
        : disk_(disk), offload_(offload), path_(std::move(path)), number_(number) {}
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch();

    std::uint32_t number() const { return number_; }
    const std::string& path() const { return path_; }
    std::string at(std::string_view name) const { return path_ + "/" + std::string(name); }

private:
    host::Disk& disk_;
    host::Offload& offload_;
    std::string path_;
    std::uint32_t number_;
};

// What the tree of a source is made of for a build: everybody may write, because the build runs as
// a user of its own; nobody else gets there, because the directory above is ours alone.
base::Status open_to_builds(host::Disk& disk, const std::string& root);

}  // namespace tidemill::builder
