module CnnCluster.Tests.Cli.FmtTests

open System
open System.IO
open System.Text
open Expecto
open CnnCluster.Dsl
open CnnCluster.Tests
open CnnCluster.Tests.Cli

let private rough = "# kept\nnetwork   A {input 8 # eight\n\n\n  relu}"
let private canonical = "# kept\nnetwork A {\n    input 8  # eight\n\n    relu\n}\n"
let private broken = "network A {\n    conv 6, 5x5\n}\n"

let private outcome (result: Cnn.Result) =
    result.ExitCode, result.Output, result.Error

/// Runs with a text on standard input.
let private piped folder arguments (text: string) =
    use cnn = Cnn.start arguments folder
    cnn.StandardInput.Write text
    cnn.StandardInput.Close()
    Cnn.finish (TimeSpan.FromMinutes 2.0) cnn

let private written (file: string) = File.GetLastWriteTimeUtc file

/// A time at which nothing was written by these tests.
let private longAgo = DateTime(2001, 1, 1, 0, 0, 0, DateTimeKind.Utc)

[<Tests>]
let tests =
    testList
        "Cli.fmt"
        [ test "scripts are rewritten in place, and again changes nothing" {
              Cnn.inFolder (fun folder ->
                  let file = Cnn.write folder "a.cnn" rough
                  Expect.equal (outcome (Cnn.run folder [ "fmt"; file ])) (0, "", "") "silent"
                  Expect.equal (File.ReadAllText file) canonical "rewritten"
                  File.SetLastWriteTimeUtc(file, longAgo)
                  Expect.equal (outcome (Cnn.run folder [ "fmt"; file ])) (0, "", "") "silent again"
                  Expect.equal (written file) longAgo "not touched"
                  Expect.equal (Directory.GetFileSystemEntries folder) [| file |] "no other file")
          }
          test "--check lists what would change, and changes nothing" {
              Cnn.inFolder (fun folder ->
                  let files = [ Cnn.write folder "a.cnn" rough; Cnn.write folder "b.cnn" canonical ]
                  let result = Cnn.run folder ([ "fmt"; "--check" ] @ files)
                  Expect.equal (outcome result) (1, files[0] + "\n", "") "one would change"
                  Expect.equal (File.ReadAllText files[0]) rough "not changed"
                  let right = Cnn.run folder [ "fmt"; "--check"; files[1] ]
                  Expect.equal (outcome right) (0, "", "") "nothing would change")
          }
          test "a script with mistakes is left alone and said so, the others are formatted" {
              Cnn.inFolder (fun folder ->
                  let bad, good = Cnn.write folder "bad.cnn" broken, Cnn.write folder "good.cnn" rough
                  let result = Cnn.run folder [ "fmt"; bad; "absent.cnn"; good ]
                  Expect.equal (result.ExitCode, result.Output) (2, "") "wrong input"
                  Expect.stringContains result.Error $"{bad}:2:11: error: blanks separate arguments" "the mistake"
                  Expect.stringContains result.Error "absent.cnn cannot be read" "the absent file"
                  Expect.equal (File.ReadAllText bad) broken "left alone"
                  Expect.equal (File.ReadAllText good) canonical "formatted"

                  Expect.equal (Cnn.run folder [ "fmt"; "--check"; bad; good ]).ExitCode 2 "with --check too")
          }
          test "what a script means does not matter" {
              Cnn.inFolder (fun folder ->
                  Expect.equal
                      (outcome (piped folder [ "fmt"; "-" ] "network A { nonesuch 5 }"))
                      (0, "network A {\n    nonesuch 5\n}\n", "")
                      "formatted")
          }
          test "- reads standard input and writes standard output" {
              Cnn.inFolder (fun folder ->
                  Expect.equal (outcome (piped folder [ "fmt"; "-" ] rough)) (0, canonical, "") "formatted"
                  Expect.equal (outcome (piped folder [ "fmt"; "--check"; "-" ] rough)) (1, "<stdin>\n", "") "checked"
                  let wrong = piped folder [ "fmt"; "-" ] broken
                  Expect.equal (wrong.ExitCode, wrong.Output) (2, "") "nothing is written"
                  Expect.stringContains wrong.Error "<stdin>:2:11: error" "the mistake")
          }
          test "permissions and links stay, Windows' line ends and the byte order mark go" {
              Cnn.inFolder (fun folder ->
                  let file = Path.Combine(folder, "a.cnn")
                  File.WriteAllText(file, canonical.Replace("\n", "\r\n"), UTF8Encoding true)

                  let mode =
                      UnixFileMode.UserRead ||| UnixFileMode.UserWrite ||| UnixFileMode.GroupRead

                  File.SetUnixFileMode(file, mode)
                  let link = Path.Combine(folder, "link.cnn")
                  File.CreateSymbolicLink(link, file) |> ignore
                  Expect.equal (outcome (Cnn.run folder [ "fmt"; link ])) (0, "", "") "silent"
                  Expect.equal (File.ReadAllBytes file) (Encoding.UTF8.GetBytes canonical) "rewritten"
                  Expect.equal (File.GetUnixFileMode file) mode "permissions"
                  Expect.isNotNull (File.ResolveLinkTarget(link, false)) "still a link")
          }
          test "what is no UTF-8, or too long, is left as it is" {
              Cnn.inFolder (fun folder ->
                  let file = Path.Combine(folder, "a.cnn")
                  let latin = Encoding.Latin1.GetBytes "# caf\u00E9\nnetwork  A { }"
                  File.WriteAllBytes(file, latin)
                  let result = Cnn.run folder [ "fmt"; file ]
                  Expect.equal result.ExitCode 2 "wrong input"
                  Expect.stringContains result.Error "no UTF-8" "the message"
                  Expect.equal (File.ReadAllBytes file) latin "as it was"

                  for mark in [ ""; "\uFEFF" ] do
                      let long = mark + "network  A { }".PadRight(Limits.LongestScript + 1, '\n')
                      File.WriteAllText(file, long)
                      let result = Cnn.run folder [ "fmt"; file ]
                      Expect.equal result.ExitCode 2 "wrong input"
                      Expect.stringContains result.Error "too long for a script" "the message"
                      Expect.equal (FileInfo(file).Length) (int64 (Encoding.UTF8.GetByteCount long)) "as it was")
          } ]
