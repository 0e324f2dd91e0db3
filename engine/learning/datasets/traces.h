#pragma once

#include <string>

#include "cairn/status.h"
#include "engine/learning/datasets/dataset.h"

namespace cairn::datasets {

// Published check-in traces, as files on disk. Every check-in becomes a `visit` without value or event id. All files
// may be plain or gzip.
//
// Both loaders return NOT_FOUND listing the files looked for, INVALID_ARGUMENT naming file and line for one that is not
// of its format, UNAVAILABLE for one that cannot be read.

/// Foursquare check-ins in New York and Tokyo (Yang et al., IEEE TSMC 2015): every file of them that is in `dir`, in
/// `dir`/foursquare_nyc or in `dir`/dataset_tsmc2014. New York comes in one of two forms:
///   - `checkins.csv.gz` (user_id,place_id,timestamp) with `places.csv.gz` (place_id,lat,lon,category), headers first;
///   - `dataset_TSMC2014_NYC.txt`, as published: eight columns with tabs, Latin-1; a place stands where its earliest
///     check-in says. Tokyo is `dataset_TSMC2014_TKY.txt`.
/// Where both cities are there, users are called "NYC-1" and "TKY-1": the files number them from 1 each.
[[nodiscard]] Result<Dataset> load_foursquare(const std::string& dir);

/// Gowalla check-ins (Cho, Myers, Leskovec, KDD 2011), in one of two forms, looked for in `dir` and in
/// `dir`/gowalla_nyc:
///   - `events.tsv.gz` (user, time, lat, lng, place) with `venues.tsv.gz` (id, name, lat, lng), no headers;
///   - `loc-gowalla_totalCheckins.txt.gz`, as published by SNAP: the events alone.
/// Places are the venues, then those that only events name, at the position of their earliest event. Interactions carry
/// the event's position.
[[nodiscard]] Result<Dataset> load_gowalla(const std::string& dir);

}  // namespace cairn::datasets
