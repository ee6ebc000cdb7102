module CnnCluster.Tests.Cli.CertTests

open System
open System.IO
open Expecto
open CnnCluster.Tests.Cli
open CnnCluster.Trainer.Security

let private outcome (result: Cnn.Result) =
    result.ExitCode, result.Output, result.Error

let private readable (file: string) = File.GetUnixFileMode file

let private owner = UnixFileMode.UserRead ||| UnixFileMode.UserWrite

let private snapshot (folder: string) =
    [ for file in Directory.GetFiles(folder, "*", SearchOption.AllDirectories) |> Array.sort ->
          file, File.ReadAllText file ]

[<Tests>]
let tests =
    testList
        "Cli.cert"
        [ test "a cluster's certificates are made, one node is added, and none is overwritten" {
              Cnn.inFolder (fun folder ->
                  let made =
                      Cnn.run folder [ "cert"; "init"; "--out"; "c"; "--host"; "gpu1,10.0.0.5"; "gpu2" ]

                  Expect.equal (outcome made) (0, "c/gpu1\nc/gpu2\n", "") "a folder for each node"

                  let added =
                      Cnn.run folder [ "cert"; "node"; "--ca"; "c"; "--host"; "gpu3"; "--days"; "2" ]

                  Expect.equal (outcome added) (0, "c/gpu3\n", "") "one more"
                  let cluster = Path.Combine(folder, "c")

                  for node in [ "gpu1"; "gpu2"; "gpu3" ] do
                      let path = Path.Combine(cluster, node)
                      ClusterIdentity.Read(path, DateTimeOffset.UtcNow).Dispose()
                      Expect.isFalse (File.Exists(Path.Combine(path, "ca.key"))) "the authority's key stays"
                      Expect.equal (readable (Path.Combine(path, "node.key"))) owner "its owner's alone"

                  Expect.equal (readable (Path.Combine(cluster, "ca.key"))) owner "its owner's alone"
                  let before = snapshot cluster

                  for again in
                      [ [ "init"; "--out"; "c"; "--host"; "gpu9" ]; [ "node"; "--ca"; "c"; "--host"; "gpu1" ] ] do
                      let result = Cnn.run folder ("cert" :: again)
                      Expect.equal (result.ExitCode, result.Output) (2, "") "refused"
                      Expect.stringContains result.Error "exists already" "says why"

                  Expect.equal (snapshot cluster) before "as it was")
          }
          for arguments, words in
              [ [ "node"; "--ca"; "absent"; "--host"; "a" ], "is missing"
                [ "init"; "--host"; "a b" ], "'a b' is neither"
                [ "init"; "--host"; "a"; "A" ], "twice"
                [ "init"; "--days"; "0" ], "--days must be at least 1"
                [ "init"; "--days"; "36501" ], "--days must be at most 36500" ] do
              let line = String.Join(' ', arguments)

              test $"'cnn cert {line}' is refused and leaves nothing" {
                  Cnn.inFolder (fun folder ->
                      let result = Cnn.run folder ("cert" :: arguments)
                      Expect.equal (result.ExitCode, result.Output) (2, "") "wrong input"
                      Expect.stringContains result.Error words "says why"
                      Expect.isEmpty (Directory.GetFileSystemEntries folder) "nothing is left")
              } ]
