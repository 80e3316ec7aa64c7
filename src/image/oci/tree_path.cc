#include "image/oci/tree_path.h"

#include <vector>

#include "base/text.h"

namespace tidemill::image {
namespace {

using base::Code;
using base::fail;
using Type = host::FileInfo::Type;

constexpr int links_max = 40;  // path_resolution(7)

enum class Missing : std::uint8_t { taken, made };

class Walk {
public:
    Walk(host::Disk& disk, const std::string& root, LastLink last, Missing missing)
        : disk_(disk), root_(root), last_(last), missing_(missing) {}

    base::Result<std::string> run(std::string_view path) {
        push(path);
        while (!todo_.empty()) {
            const auto part = std::move(todo_.back());
            todo_.pop_back();
            CHECK_OK(step(part));
        }
        return root_ + at_;
    }

private:
    // The first part last, so that it is taken first.
    void push(std::string_view path) {
        const auto parts = base::split(path, '/');
        for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
            if (!part->empty() && *part != ".") {
                todo_.emplace_back(*part);
            }
        }
    }

    base::Status step(const std::string& part) {
        if (part == "..") {
            at_.erase(at_.empty() ? 0 : at_.rfind('/'));
            return base::ok;
        }
        const auto next = at_ + "/" + part;
        const auto info = disk_.info(root_ + next);
        if (!info) {
            if (info.error().code != Code::not_found) {
                return std::unexpected(info.error());
            }
            if (missing_ == Missing::made) {
                CHECK_OK(disk_.make_directories(root_ + next, 0755));
                CHECK_OK(disk_.set_mode(root_ + next, 0755));
            }
            at_ = next;
            return base::ok;
        }
        if (info->type == Type::link && (!todo_.empty() || last_ == LastLink::followed)) {
            if (++links_ > links_max) {
                return fail(Code::invalid, "\"{}\": leads through more than {} links", next,
                            links_max);
            }
            TRY(const auto target, disk_.read_link(root_ + next));
            if (target.starts_with('/')) {
                at_.clear();
            }
            push(target);
            return base::ok;
        }
        const bool is_directory_needed = !todo_.empty() || missing_ == Missing::made;
        if (is_directory_needed && info->type != Type::directory) {
            return fail(Code::invalid, "\"{}\": is no directory", next);
        }
        at_ = next;
        return base::ok;
    }

    host::Disk& disk_;
    const std::string& root_;
    LastLink last_;
    Missing missing_;
    std::vector<std::string> todo_;
    std::string at_;  // "" or "/a/b", without links
    int links_ = 0;
};

}  // namespace

base::Result<std::string> resolve_in_tree(host::Disk& disk, const std::string& root,
                                          std::string_view path, LastLink last) {
    return Walk(disk, root, last, Missing::taken).run(path);
}

base::Result<std::string> make_directories_in_tree(host::Disk& disk, const std::string& root,
                                                   std::string_view path) {
    return Walk(disk, root, LastLink::followed, Missing::made).run(path);
}

base::Result<std::string> read_in_tree(host::Disk& disk, const std::string& root,
                                       std::string_view path, std::uint64_t bytes_max) {
    TRY(const auto at, resolve_in_tree(disk, root, path, LastLink::followed));
    TRY(const auto info, disk.info(at));
    if (info.type != Type::file) {
        return fail(Code::invalid, "\"{}\": is no file", path);
    }
    return host::read_file(disk, at, bytes_max);
}

}  // namespace tidemill::image
