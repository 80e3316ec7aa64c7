#include "store/kept.h"

#include <zstd.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "base/check.h"
#include "store/disk/row.h"

namespace tidemill::store {
namespace {

// The fastest; what makes documents small here is the sample.
constexpr int level = 1;
// What objects of a kind have in common stands within so much of any of them.
constexpr std::size_t sample_bytes_max = 16U << 10;

template <auto free>
struct Free {
    template <typename T>
    void operator()(T* value) const {
        free(value);
    }
};

}  // namespace

// The first object of a kind that was kept: the others are written as what differs from it. A raw
// content dictionary in zstd's words.
struct Kept::Sample {
    explicit Sample(std::string_view document)
        : pack(ZSTD_createCDict(document.data(), std::min(document.size(), sample_bytes_max),
                                level)),
          unpack(ZSTD_createDDict(document.data(), std::min(document.size(), sample_bytes_max))),
          context(ZSTD_createDCtx()) {
        CHECK(pack != nullptr && unpack != nullptr && context != nullptr);
    }
    std::unique_ptr<ZSTD_CDict, Free<ZSTD_freeCDict>> pack;
    std::unique_ptr<ZSTD_DDict, Free<ZSTD_freeDDict>> unpack;
    std::unique_ptr<ZSTD_DCtx, Free<ZSTD_freeDCtx>> context;
};

// What was opened last, oldest first.
struct Kept::Recent {
    struct Entry {
        ObjectPtr object;
        std::size_t bytes = 0;
    };
    explicit Recent(std::size_t max) : bytes_max(max) {}

    void add(ObjectPtr object, std::size_t document_bytes) {
        bytes += document_bytes;
        entries.push_back({std::move(object), document_bytes});
        while (bytes > bytes_max) {
            bytes -= entries.front().bytes;
            entries.pop_front();
        }
    }

    std::size_t bytes_max;
    std::size_t bytes = 0;
    std::deque<Entry> entries;
};

struct Keeper::Packer {
    std::unique_ptr<ZSTD_CCtx, Free<ZSTD_freeCCtx>> context{ZSTD_createCCtx()};
    std::string scratch;
};

Keeper::Keeper(std::size_t open_bytes_max)
    : packer_(std::make_unique<Packer>()), recent_(std::make_shared<Kept::Recent>(open_bytes_max)) {
    CHECK(packer_->context != nullptr);
}
Keeper::Keeper(Keeper&&) noexcept = default;
Keeper& Keeper::operator=(Keeper&&) noexcept = default;
Keeper::~Keeper() = default;

KeptPtr Keeper::keep(ObjectPtr object, std::string_view document) {
    auto kept = std::make_shared<Kept>();
    kept->key_ = object->key();
    if (object->kind == model::KindId::secret) {
        // Its document as it is handed on is sealed, and there are few.
        kept->always_open_ = std::move(object);
        return kept;
    }
    auto& sample = samples_[object->kind];
    if (sample == nullptr) {
        sample = std::make_shared<const Kept::Sample>(document);
    }
    auto& scratch = packer_->scratch;
    scratch.resize(std::max(scratch.size(), ZSTD_compressBound(document.size())));
    const auto size =
        ZSTD_compress_usingCDict(packer_->context.get(), scratch.data(), scratch.size(),
                                 document.data(), document.size(), sample->pack.get());
    CHECK(ZSTD_isError(size) == 0);
    kept->packed_.assign(scratch, 0, size);
    kept->sample_ = sample;
    kept->recent_ = recent_;
    kept->opened_ = object;
    recent_->add(std::move(object), document.size());
    return kept;
}

ObjectPtr Kept::open(Then then) const {
    if (always_open_ != nullptr) {
        return always_open_;
    }
    if (auto object = opened_.lock()) {
        return object;
    }
    std::string document(ZSTD_getFrameContentSize(packed_.data(), packed_.size()), '\0');
    const auto size =
        ZSTD_decompress_usingDDict(sample_->context.get(), document.data(), document.size(),
                                   packed_.data(), packed_.size(), sample_->unpack.get());
    CHECK(size == document.size());
    auto parsed = from_document(document);
    CHECK(parsed.has_value());  // it was written from an object
    auto object = share(*std::move(parsed));
    opened_ = object;
    if (then == Then::keep_open) {
        recent_->add(object, document.size());
    }
    return object;
}

}  // namespace tidemill::store
