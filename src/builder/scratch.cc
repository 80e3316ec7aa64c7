#include "builder/scratch.h"

#include "image/tree.h"

namespace tidemill::builder {

Scratch::~Scratch() {
    const auto remove = [&disk = disk_, path = path_] {
        static_cast<void>(disk.remove_tree(path));
    };
    // Behind whatever still works in it there.
    if (!offload_.submit(remove, [] {})) {
        remove();
    }
}

base::Status open_to_builds(host::Disk& disk, const std::string& root) {
    using Type = image::TreeEntry::Type;
    CHECK_OK(disk.set_mode(root, 0777));
    TRY(const auto entries, image::list_tree(disk, root, {.entries_max = 400'000}));
    for (const auto& entry : entries) {
        if (entry.type == Type::directory || entry.type == Type::program) {
            CHECK_OK(disk.set_mode(root + "/" + entry.path, 0777));
        } else if (entry.type == Type::file) {
            CHECK_OK(disk.set_mode(root + "/" + entry.path, 0666));
        }
    }
    return base::ok;
}

}  // namespace tidemill::builder
