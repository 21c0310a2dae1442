package api

// Header is set on every answer, errors included. Its value is the versions of
// the API that the server has, separated by ", ": rrhealthctl can tell a server
// of a newer API from one that is not rrhealth.
const (
	Header  = "Rrhealth-Api"
	Version = "v1" // of the paths in this package
)

// The parameters of GET, in the query of the URL. Each may be left out, except
// ParamName of PathExplain and ParamSelector of PathWhatIf. A name is compared
// without case, and with or without its final dot. A value that cannot be read is
// answered with code 400 and an Error.
const (
	ParamSearch   = "search"   // PathPools, PathBackends: text in a name or an address
	ParamState    = "state"    // PathPools: a Pool.State; PathBackends: a Backend.Effective
	ParamPool     = "pool"     // all but PathStatus and PathExplain: any NAME of a stanza
	ParamAddress  = "address"  // PathBackends, PathOverrides, PathHistory: an address
	ParamOffset   = "offset"   // PathPools, PathBackends: how many to leave out
	ParamLimit    = "limit"    // PathPools, PathBackends: how many at most; DefaultLimit without it, at most MaxLimit
	ParamSince    = "since"    // PathHistory: RFC 3339; only events after it, and backends that have some
	ParamName     = "name"     // PathExplain: the name of the query
	ParamType     = "type"     // PathExplain: A without it
	ParamClient   = "client"   // PathExplain: the address of the client
	ParamAt       = "at"       // PathExplain: RFC 3339; now without it
	ParamSelector = "selector" // PathWhatIf: one of Change.Selectors; may be given several times. They are down in its answer
)

// The bounds of ParamLimit.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)
