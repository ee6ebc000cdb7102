module CnnCluster.Tests.Dsl.ImportsTests

open Expecto
open CnnCluster.Dsl
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.Scripts

/// Files by name, as an importer finds them.
let private importer (files: (string * string) list) =
    Importer(fun _ path ->
        match files |> List.tryFind (fun (name, _) -> name = path) with
        | Some(name, text) -> Readable { File = name; Text = text }
        | None -> Unreadable "there is no such file")

let private check text files =
    Script.Check(source text, catalogues, importer files)

let private cell = "cell.cnn", "block cell(n) {\n    conv n 3\n    relu\n}\n"

[<Tests>]
let tests =
    testList
        "Dsl.Checking imports"
        [ test "blocks come from other files, and stand in the canonical script" {
              let result = check "import \"cell.cnn\"\nnetwork N { input 8x8x1; cell 4 }" [ cell ]
              Expect.isEmpty result.Diagnostics result.Text
              Expect.stringContains result.Value "block cell(n) {" "canonical"
              Expect.isFalse (result.Value.Contains "import") "without the import"
              Expect.isEmpty (Script.Check(source result.Value, catalogues)).Diagnostics "it stands alone"
          }
          test "networks come too, train parts do not" {
              let other = "net.cnn", plain

              let result =
                  check "import \"net.cnn\"\ntrain LeNet5 { data mnist; loss cross-entropy; optimizer adam }" [ other ]

              Expect.isEmpty result.Diagnostics result.Text
              Expect.isFalse (result.Value.Contains "sgd") "the file's own train part"
          }
          test "a file that is imported twice is read once; one that imports itself is refused" {
              let a = "a.cnn", "import \"cell.cnn\"\nblock a() { cell 2 }"

              let result =
                  check "import \"a.cnn\"\nimport \"cell.cnn\"\nnetwork N { input 8x8x1; a; cell 4 }" [ a; cell ]

              Expect.isEmpty result.Diagnostics result.Text
              let loop = [ "a.cnn", "import \"b.cnn\""; "b.cnn", "import \"a.cnn\"" ]
              let text = (check "import \"a.cnn\"\nnetwork N { input 8; relu }" loop).Text
              Expect.stringContains text "b.cnn:1:8: error: 'a.cnn' imports itself: a.cnn → b.cnn → a.cnn" "cycle"
          }
          test "a missing file, and an error inside an imported one, are shown at their places" {
              let text = (check "import \"x.cnn\"\nnetwork N { input 8; relu }" []).Text

              Expect.stringContains
                  text
                  "test.cnn:1:8: error: 'x.cnn' cannot be imported: there is no such file"
                  "missing"

              let broken = "cell.cnn", "block cell(n) {\n    conv n 33\n}\n"

              let text =
                  (check "import \"cell.cnn\"\nnetwork N { input 8x8x1; cell 4 }" [ broken ]).Text

              Expect.stringContains text "cell.cnn:2:12: error" "place"
              Expect.stringContains text "  2 |     conv n 33" "the line of that file"
              Expect.stringContains text "in 'cell', used at test.cnn:2:26" "use"
          }
          test "comments at imports stay in the canonical script" {
              let text =
                  "# Experiment 7\nimport \"cell.cnn\"  # shared parts\n# the network\nnetwork N { input 8x8x1; cell 4 }\n# the end"

              let canonical = (check text [ cell ]).Value

              for comment in [ "# Experiment 7"; "# shared parts"; "# the network"; "# the end" ] do
                  Expect.stringContains canonical comment "kept"

              Expect.isLessThan
                  (canonical.IndexOf "# shared parts")
                  (canonical.IndexOf "block cell")
                  "in front of what came"
          }
          test "an import that fails is one error, whatever it would have brought" {
              let result = check "import \"x.cnn\"\nnetwork N { input 8; stage 4; dense 3 }" []
              Expect.hasLength (List.ofSeq result.Diagnostics) 1 result.Text
          }
          test "a name that is there already is refused with the other's place" {
              let text =
                  (check "import \"cell.cnn\"\nblock cell() { relu }\nnetwork N { input 8x8x1; cell 4 }" [ cell ]).Text

              Expect.stringContains text "'cell' is there already, at cell.cnn:1:7" "place"
          } ]
