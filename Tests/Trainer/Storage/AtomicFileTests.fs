module CnnCluster.Tests.Trainer.Storage.AtomicFileTests

open System
open System.IO
open Expecto
open CnnCluster.Tests.Trainer.Storage.TemporaryFolder
open CnnCluster.Trainer.Storage

let private write path (text: string) =
    AtomicFile.Write(path, Action<_>(fun stream -> stream.Write(ReadOnlySpan(Text.Encoding.UTF8.GetBytes text))))

[<Tests>]
let tests =
    testList
        "Storage.AtomicFile"
        [ test "a new file has the content, and nothing lies beside it" {
              inFolder (fun folder ->
                  let path = Path.Combine(folder, "a.txt")
                  write path "content"
                  Expect.equal (File.ReadAllText path) "content" "content"
                  Expect.equal (names folder) [ "a.txt" ] "alone")
          }
          test "a file is replaced as a whole" {
              inFolder (fun folder ->
                  let path = Path.Combine(folder, "a.txt")
                  write path "a long first content"
                  write path "short"
                  Expect.equal (File.ReadAllText path) "short" "only the second")
          }
          test "a file that is replaced keeps its permissions" {
              if not (OperatingSystem.IsWindows()) then
                  inFolder (fun folder ->
                      let path = Path.Combine(folder, "a.txt")
                      write path "first"

                      let mode =
                          UnixFileMode.UserRead ||| UnixFileMode.UserWrite ||| UnixFileMode.OtherExecute

                      File.SetUnixFileMode(path, mode)
                      write path "second"
                      Expect.equal (File.GetUnixFileMode path) mode "mode")
          }
          test "a link is followed, also one to a file that is not there yet: it stays a link" {
              inFolder (fun folder ->
                  let target, link = Path.Combine(folder, "a.txt"), Path.Combine(folder, "link.txt")
                  File.CreateSymbolicLink(link, "a.txt") |> ignore
                  write link "first"
                  write link "second"
                  Expect.equal (File.ReadAllText target) "second" "the target"
                  Expect.equal (FileInfo(link).LinkTarget) "a.txt" "still a link"
                  Expect.equal (names folder |> List.sort) [ "a.txt"; "link.txt" ] "alone")
          }
          test "a pipe is written to, not replaced" {
              if not (OperatingSystem.IsWindows()) then
                  inFolder (fun folder ->
                      let pipe = Path.Combine(folder, "pipe")
                      use made = Diagnostics.Process.Start("mkfifo", pipe)
                      made.WaitForExit()
                      Expect.equal made.ExitCode 0 "a pipe"
                      let reading = Threading.Tasks.Task.Run(fun () -> File.ReadAllText pipe)
                      write pipe "content"
                      Expect.isTrue (reading.Wait(TimeSpan.FromSeconds 30.0)) "who reads the pipe sees its end"
                      Expect.equal reading.Result "content" "what came through"
                      Expect.equal (names folder) [ "pipe" ] "alone")
          }
          test "a writer that throws leaves the old file and no other" {
              inFolder (fun folder ->
                  let path = Path.Combine(folder, "a.txt")
                  write path "old"

                  let failing (stream: Stream) =
                      stream.Write(ReadOnlySpan(Array.zeroCreate<byte> 100_000))
                      raise (InvalidDataException "half way")

                  let act () =
                      AtomicFile.Write(path, Action<_> failing)

                  Expect.throwsT<InvalidDataException> act "its own exception"
                  Expect.equal (File.ReadAllText path) "old" "untouched"
                  Expect.equal (names folder) [ "a.txt" ] "alone")
          }
          test "readers see the old file until the new one is whole" {
              inFolder (fun folder ->
                  let path = Path.Combine(folder, "a.txt")
                  write path "old"

                  AtomicFile.Write(
                      path,
                      Action<_>(fun stream ->
                          stream.Write(ReadOnlySpan "new"B)
                          stream.Flush()
                          Expect.equal (File.ReadAllText path) "old" "still the old one")
                  )

                  Expect.equal (File.ReadAllText path) "new" "now the new one")
          }
          test "a destination that cannot be replaced leaves no temporary file" {
              inFolder (fun folder ->
                  let path = Path.Combine(folder, "taken")
                  Directory.CreateDirectory path |> ignore
                  Expect.throws (fun () -> write path "x") "a folder is there"
                  Expect.equal (names folder) [ "taken" ] "alone")
          }
          test "a missing folder is an error of the file system's" {
              inFolder (fun folder ->
                  let path = Path.Combine(folder, "none", "a.txt")
                  Expect.throwsT<DirectoryNotFoundException> (fun () -> write path "x") "no folder")
          } ]
