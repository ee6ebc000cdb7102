module CnnCluster.Tests.Trainer.Security.ClusterIdentityTests

open System
open System.IO
open Expecto
open CnnCluster.Tests.Cli
open CnnCluster.Tests.Trainer.Security
open CnnCluster.Trainer
open CnnCluster.Trainer.Security

let private refusal act =
    let mutable message = ""

    Expect.throwsC act (fun e ->
        Expect.isTrue (e :? UserException) $"a mistake of the user's, not {e}"
        message <- e.Message)

    message

let private reading folder at () =
    ClusterIdentity.Read(folder, at).Dispose()

let private refused folder at (words: string list) =
    let message = refusal (reading folder at)

    for word in words do
        Expect.stringContains message word "says what is wrong"

[<Tests>]
let tests =
    testList
        "Trainer.Security.identity"
        [ test "a node's folder is read while its certificate is valid" {
              Cnn.inFolder (fun folder ->
                  let node = Certificates.localNode folder "a"
                  use identity = ClusterIdentity.Read(node, Certificates.now)
                  Expect.isTrue identity.Certificate.HasPrivateKey "with its key"
                  refused node (Certificates.now.AddDays 31.0) [ "node.pem"; "has expired"; "cnn cert node" ]
                  refused node (Certificates.now.AddHours -1.0) [ "node.pem"; "clock" ])
          }
          test "a certificate of another cluster's authority is refused" {
              Cnn.inFolder (fun folder ->
                  let ours, theirs =
                      Certificates.localNode folder "a", Certificates.localNode folder "b"

                  File.Copy(Path.Combine(theirs, "ca.pem"), Path.Combine(ours, "ca.pem"), true)
                  refused ours Certificates.now [ "node.pem"; "not a certificate of the authority" ])
          }
          test "a key of another certificate is refused" {
              Cnn.inFolder (fun folder ->
                  let ours, theirs =
                      Certificates.localNode folder "a", Certificates.localNode folder "b"

                  File.Copy(Path.Combine(theirs, "node.key"), Path.Combine(ours, "node.key"), true)
                  refused ours Certificates.now [ "node.pem"; "node.key"; "not a certificate and its key" ])
          }
          for name in [ "ca.pem"; "node.pem"; "node.key" ] do
              test $"without {name}, or with something else in it, the folder is refused" {
                  Cnn.inFolder (fun folder ->
                      let node = Certificates.localNode folder "a"
                      let file = Path.Combine(node, name)
                      File.WriteAllText(file, "not PEM")
                      refused node Certificates.now [ name ]
                      File.Delete file
                      refused node Certificates.now [ file; "is missing"; "cnn cert init" ])
              }
          for wrong in [ ""; ","; "two words"; "a/b"; "../up"; "-"; "host:80" ] do
              test $"'{wrong}' is no name of a node" {
                  Expect.stringContains
                      (refusal (fun () -> NodeNames.Parse wrong |> ignore))
                      "--host"
                      "says which option"
              } ]
