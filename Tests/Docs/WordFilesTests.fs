module CnnCluster.Tests.Docs.WordFilesTests

open Expecto

[<Tests>]
let tests =
    testList
        "Docs.words"
        [ test "the F# form has the words of the catalogues" {
              Accepted.isCurrent "Dsl/Doors/EmbeddedWords.fs" WordFiles.embedded
          }
          test "the C# builder has the words of the catalogues" {
              Accepted.isCurrent "Dsl/Doors/BuilderWords.fs" WordFiles.builder
          } ]
