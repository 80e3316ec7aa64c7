#include "builder/builder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <deque>
#include <utility>

#include "builder/source.h"
#include "host/off_loop.h"
#include "image/digest.h"

namespace tidemill::builder {
namespace {

using base::Code;
using base::fail;
using base::Unit;

constexpr std::size_t last_lines_max = 20;
constexpr std::size_t line_bytes_max = 2000;
constexpr std::uint64_t lock_file_bytes_max = 16U << 20;

std::string builds_directory(const Builder::Options& options) {
    return options.data_directory + "/builds";
}

}  // namespace

// Passes lines on, within a limit, and keeps the last: the evidence of a failure.
class Builder::Log final : public StepLog {
public:
    Log(BuildProgress& progress, std::uint64_t bytes_max)
        : progress_(progress), bytes_left_(bytes_max) {}

    void line(std::string_view text) override {
        text = text.substr(0, line_bytes_max);
        last_.emplace_back(text);
        if (last_.size() > last_lines_max) {
            last_.pop_front();
        }
        if (bytes_left_ == 0) {
            return;
        }
        if (text.size() > bytes_left_) {
            bytes_left_ = 0;
            progress_.log("(the build says more than is passed on)");
            return;
        }
        bytes_left_ -= text.size();
        progress_.log(text);
    }
    void begin_step() { last_.clear(); }
    std::vector<std::string> last() const { return {last_.begin(), last_.end()}; }

private:
    BuildProgress& progress_;
    std::uint64_t bytes_left_;
    std::deque<std::string> last_;
};

// What the parts of one build share.
struct Builder::Work {
    std::shared_ptr<Scratch> scratch;
    Log log;
    std::vector<SourceFile> files;
    Plan plan;

    std::string tree() const { return scratch->at("tree"); }
};

Builder::Builder(host::Host& host, host::Offload& offload, BuildRunner& runner,
                 image::ImageStore& store, Options options)
    : host_(host),
      offload_(offload),
      runner_(runner),
      store_(store),
      options_(std::move(options)),
      cache_(host.disk, options_.data_directory + "/cache/builds", options_.cache_bytes_max),
      slots_(host.loop, options_.builds_max, options_.builds_waiting_max) {}

base::Status Builder::start() {
    const auto directory = builds_directory(options_);
    CHECK_OK(host_.disk.remove_tree(directory));
    return host_.disk.make_directories(directory, 0700);
}

base::Status Builder::check_disk() {
    TRY(const auto space, host_.disk.space(options_.data_directory));
    if (space.free_bytes < options_.disk_free_bytes_min) {
        return fail(
            Code::exhausted,
            "TM-418: the disk of {} is full: {} MiB are free, {} are kept for the platform; "
            "delete revisions that are not needed, or make room",
            options_.data_directory, space.free_bytes >> 20U, options_.disk_free_bytes_min >> 20U);
    }
    return base::ok;
}

base::Error Builder::with_disk(base::Error error) {
    if (error.code == Code::exhausted) {
        if (auto checked = check_disk(); !checked) {
            return std::move(checked).error();
        }
    }
    return error;
}

Builder::Upload::Upload(Builder& builder, std::shared_ptr<Scratch> scratch,
                        std::unique_ptr<host::File> file)
    : builder_(builder), scratch_(std::move(scratch)), file_(std::move(file)) {
    ++builder_.uploads_;
}

Builder::Upload::~Upload() {
    --builder_.uploads_;
}

base::Status Builder::Upload::append(std::string_view bytes) {
    if (bytes.size() > builder_.options_.upload_bytes_max - bytes_) {
        return fail(Code::exhausted,
                    "TM-408: the upload is larger than {} MiB; name what is not source in "
                    ".tidemillignore",
                    builder_.options_.upload_bytes_max >> 20U);
    }
    if (auto written = file_->write_at(bytes_, bytes); !written) {
        return std::unexpected(builder_.with_disk(written.error()));
    }
    bytes_ += bytes.size();
    return base::ok;
}

base::Result<std::unique_ptr<Builder::Upload>> Builder::begin_upload(const image::ImageName& name) {
    CHECK_OK(image::check_name(name));
    if (uploads_ >= options_.uploads_max) {
        return fail(Code::exhausted, "TM-415: {} uploads are on their way already; try again soon",
                    uploads_);
    }
    CHECK_OK(check_disk());
    // A name of its own: the removal of an earlier one may still wait in the offload.
    auto scratch = std::make_shared<Scratch>(
        host_.disk, offload_,
        fmt::format("{}/{:016x}", builds_directory(options_), host_.random.next_u64()),
        scratch_next_++);
    CHECK_OK(host_.disk.make_directories(scratch->path(), 0700));
    TRY(auto file, host_.disk.open(scratch->at("upload"), host::Disk::Open::create_new));
    return std::make_unique<Upload>(*this, std::move(scratch), std::move(file));
}

async::Task<base::Result<Built>> Builder::build(std::unique_ptr<Upload> upload,
                                                image::ImageName name, BuildProgress& progress) {
    CO_CHECK_OK(image::check_name(name));
    const auto slot = co_await slots_.acquire();
    if (!slot) {
        co_return fail(Code::exhausted, "TM-415: {} builds wait already; try again soon",
                       slots_.waiting());
    }
    upload->file_.reset();
    auto built = co_await build_in_slot(upload->scratch_, std::move(name), progress);
    if (!built) {
        co_return std::unexpected(with_disk(built.error()));
    }
    co_return built;
}

async::Task<base::Result<Built>> Builder::build_in_slot(std::shared_ptr<Scratch> scratch,
                                                        image::ImageName name,
                                                        BuildProgress& progress) {
    Work work{.scratch = std::move(scratch),
              .log = Log(progress, options_.log_bytes_max),
              .files = {},
              .plan = {}};
    host::Disk& disk = host_.disk;
    const auto tree = work.tree();
    CO_TRY(work.files, co_await host::off_loop<std::vector<SourceFile>>(
                           host_.loop, offload_,
                           [&disk, tree, from = work.scratch->at("upload"),
                            limits = options_.source]() -> base::Result<std::vector<SourceFile>> {
                               TRY(auto files, take_source(disk, from, tree, limits));
                               CHECK_OK(disk.remove(from));
                               CHECK_OK(open_to_builds(disk, tree));
                               return files;
                           }));
    CO_TRY(work.plan,
           detect(work.files, {.python = options_.tools.python.empty() ? Interpreters().python
                                                                       : options_.tools.python,
                               .node = options_.tools.node.empty() ? Interpreters().node
                                                                   : options_.tools.node}));
    progress.plan(work.plan);
    for (const auto packages : work.plan.packages) {
        CO_CHECK_OK(co_await install(work, packages));
    }
    if (work.plan.bytecode == Plan::Bytecode::compile && !options_.tools.python.empty()) {
        std::vector<BuildStep> steps{compile_step(work.plan, options_.tools)};
        CO_CHECK_OK(co_await run(work, std::move(steps), tree));
    }
    if (work.plan.kind == Plan::Kind::native_source) {
        CO_CHECK_OK(co_await build_native(work));
    }
    CO_TRY(auto image,
           co_await host::off_loop<image::ImageReference>(
               host_.loop, offload_,
               [&store = store_, name = std::move(name), tree, config = work.plan.config,
                now = host_.clock.wall_now()] { return store.put(name, tree, config, now); }));
    co_return Built{.image = std::move(image), .plan = std::move(work.plan)};
}

async::Task<base::Status> Builder::run(Work& work, std::vector<BuildStep> steps,
                                       std::string project) {
    const auto place = work.scratch->at("work");
    for (const auto* part : {"", "/home", "/tmp"}) {
        CO_CHECK_OK(host_.disk.make_directories(place + part));
        CO_CHECK_OK(host_.disk.set_mode(place + part, 0777));
    }
    for (auto& step : steps) {
        step.user = work.scratch->number();
        step.time_max = options_.step_time_max;
        step.mounts.push_back(
            {.source = project, .target = "/app", .access = host::MountPlan::Access::read_write});
        step.mounts.push_back(
            {.source = place, .target = "/build", .access = host::MountPlan::Access::read_write});
        for (const auto& file : options_.clients.files) {
            if (host_.disk.info(file.source)) {
                step.mounts.push_back(file);
            }
        }
        step.environment.insert(step.environment.end(), options_.clients.environment.begin(),
                                options_.clients.environment.end());
        work.log.begin_step();
        const auto step_name = step.name;
        const auto time_max = step.time_max;
        CO_TRY(const auto end, co_await runner_.run(std::move(step), work.log, work.scratch));
        if (end.ok()) {
            continue;
        }
        const auto last = work.log.last();
        const auto code = end.is_out_of_time     ? std::pair(Code::deadline, "TM-406")
                          : end.is_out_of_memory ? std::pair(Code::invalid, "TM-416")
                                                 : std::pair(Code::invalid, "TM-405");
        co_return fail(code.first, "{}: {} {}: {}\n{}", code.second, step_name, end.text(time_max),
                       advise(step_name, end, last), fmt::join(last, "\n"));
    }
    co_return base::ok;
}

// All that decides what an installation gives.
base::Result<std::string> Builder::cache_key(const Installation& installation,
                                             const std::string& tree) {
    image::Digester digester;
    const auto add = [&](std::string_view part) {
        digester.add(fmt::format("{} ", part.size()));
        digester.add(part);
    };
    add(installation.kind);
    for (const auto& [name, value] : options_.clients.environment) {
        add(name);
        add(value);
    }
    for (const auto& file : installation.files) {
        auto text = host::read_file(host_.disk, tree + "/" + file, lock_file_bytes_max);
        if (text) {
            add(file);
            add(*text);
        } else if (text.error().code != Code::not_found) {
            return std::unexpected(text.error());
        }
    }
    return std::string(image::digest_hex(digester.finish()));
}

async::Task<base::Status> Builder::install(Work& work, Plan::Packages packages) {
    CO_TRY(auto installation, plan_installation(packages, work.files, options_.tools));
    const auto tree = work.tree();
    if (installation.reads == Installation::Reads::source) {
        co_return co_await run(work, std::move(installation.steps), tree);
    }
    host::Disk& disk = host_.disk;
    const auto project = work.scratch->at("project");
    const auto result = project + "/" + installation.result;
    CO_TRY(const auto key, cache_key(installation, tree));
    CO_TRY(const auto found,
           co_await host::off_loop<BuildCache::Found>(
               host_.loop, offload_,
               [&disk, &cache = cache_, project, result, tree, key,
                files = installation.files]() -> base::Result<BuildCache::Found> {
                   CHECK_OK(disk.make_directories(result));
                   TRY(const auto hit, cache.restore(key, result));
                   if (hit == BuildCache::Found::hit) {
                       return hit;
                   }
                   for (const auto& file : files) {
                       if (disk.info(tree + "/" + file)) {
                           CHECK_OK(copy_file(disk, tree + "/" + file, project + "/" + file, 0666));
                       }
                   }
                   CHECK_OK(open_to_builds(disk, project));
                   return hit;
               }));
    if (found == BuildCache::Found::hit) {
        work.log.line(installation.title + ": nothing has changed, taken from the cache");
    } else {
        CO_CHECK_OK(co_await run(work, std::move(installation.steps), project));
    }
    co_return co_await host::off_loop<Unit>(
        host_.loop, offload_,
        [&disk, &cache = cache_, project, result, tree, key, found,
         below = installation.result]() -> base::Status {
            if (found == BuildCache::Found::miss && disk.info(result)) {
                // A cache that cannot be written costs the next build its time, not this one.
                static_cast<void>(cache.save(key, result));
            }
            if (disk.info(result)) {
                const auto target = tree + "/" + below;
                CHECK_OK(disk.make_directories(target.substr(0, target.rfind('/'))));
                CHECK_OK(disk.rename(result, target));
            }
            return disk.remove_tree(project);
        });
}

async::Task<base::Status> Builder::build_native(Work& work) {
    CO_TRY(auto steps, cmake_steps(options_.tools));
    const auto tree = work.tree();
    CO_CHECK_OK(co_await run(work, std::move(steps), tree));
    host::Disk& disk = host_.disk;
    CO_TRY(
        const auto program,
        co_await host::off_loop<std::string>(
            host_.loop, offload_,
            [&disk, tree, built = work.scratch->at("work/cmake")]() -> base::Result<std::string> {
                TRY(const auto found, find_built_program(disk, built));
                const auto name = found.substr(found.rfind('/') + 1);
                CHECK_OK(disk.make_directories(tree + "/.tidemill/bin"));
                CHECK_OK(
                    copy_file(disk, built + "/" + found, tree + "/.tidemill/bin/" + name, 0755));
                return name;
            }));
    work.plan.config.command = {"/app/.tidemill/bin/" + program};
    work.plan.config.title = work.plan.title;
    work.plan.start = program;
    co_return base::ok;
}

async::Task<base::Result<std::vector<image::ImageReference>>> Builder::collect_images(
    std::set<image::ImageReference> in_use, base::WallTime keep_since) {
    co_return co_await host::off_loop<std::vector<image::ImageReference>>(
        host_.loop, offload_, [&store = store_, in_use = std::move(in_use), keep_since] {
            return store.collect(in_use, keep_since);
        });
}

}  // namespace tidemill::builder
