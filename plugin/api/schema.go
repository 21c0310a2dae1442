package api

import _ "embed" // schema.json

// Schema is the JSON schema (draft 2020-12) of all types here, which PathSchema
// serves. TestTheSchemaIsThatOfTheTypes makes it of the types.
//
//go:generate go test -run TestTheSchemaIsThatOfTheTypes -update .
//go:embed schema.json
var Schema []byte
