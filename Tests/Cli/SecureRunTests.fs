/// Runs whose every connection is opened with certificates, and strangers who try.
module CnnCluster.Tests.Cli.SecureRunTests

open System
open System.Diagnostics
open System.Net
open System.Net.NetworkInformation
open System.Net.Sockets
open Expecto
open CnnCluster.Tests.Cli.Runs
open CnnCluster.Tests.Trainer.Security

let private script =
    (Cnn.lenet (settings 150)).Replace("    loss cross-entropy", "    exact shards=4\n    loss cross-entropy")

/// An address of this machine besides loopback, where it has one.
let private address =
    NetworkInterface.GetAllNetworkInterfaces()
    |> Seq.filter (fun card -> card.OperationalStatus = OperationalStatus.Up)
    |> Seq.collect (fun card -> card.GetIPProperties().UnicastAddresses |> Seq.map _.Address)
    |> Seq.tryFind (fun address ->
        address.AddressFamily = AddressFamily.InterNetwork
        && not (IPAddress.IsLoopback address))
    |> Option.defaultValue IPAddress.Loopback
    |> string

/// A cluster's folder with two nodes of this machine.
let private cluster folder name =
    Certificates.cluster folder name [ $"a,{address}"; $"b,{address}" ]

let private withLines (start: Process) act =
    let output, errors = Lines start.StandardOutput, Lines start.StandardError

    try
        act errors
        output.Last 1 |> ignore
    finally
        if not start.HasExited then start.Kill true

/// Connections that say nothing, half a frame, and a frame without an end.
let private disturb (port: int) =
    [ for i in 1..300 ->
          let client = new TcpClient(address, port)

          match i % 3 with
          | 0 -> client.GetStream().Write(ReadOnlySpan [| 0x16uy; 3uy; 1uy |])
          | 1 -> client.GetStream().Write(ReadOnlySpan(Array.create 64 0xFFuy))
          | _ -> ()

          client ]

[<Tests>]
let tests =
    testList
        "Cli.secure"
        [ test "a run with certificates takes its members, turns strangers away, and ends with the same bits" {
              Cnn.inFolder (fun folder ->
                  let ours, others = cluster folder "ours", cluster folder "others"
                  let file = Cnn.write folder "net.cnn" script

                  let arguments = [ "train"; file; "--json"; "--threads"; "1" ]

                  let alone = Cnn.run folder (arguments @ [ "--out"; "alone" ])
                  Expect.equal alone.ExitCode 0 alone.Error

                  let listening =
                      [ "--listen"
                        $"{address}:0"
                        "--cert"
                        Certificates.node ours "a"
                        "--min-workers"
                        "2"
                        "--out"
                        "run" ]

                  use home = Cnn.startInterruptible (arguments @ listening) folder
                  let run = Run(home, folder)

                  try
                      let listen = run.Next "listen"
                      let join = string listen["join"]
                      let port = (string listen["address"]).Split ':' |> Array.last |> int
                      let silent = disturb port

                      use stranger =
                          Cnn.start [ "node"; "--join"; join; "--cert"; Certificates.node others "b" ] folder

                      withLines stranger (fun errors ->
                          Expect.isTrue (stranger.WaitForExit patience) "it ends"
                          Expect.equal stranger.ExitCode 1 (errors.All())
                          Expect.stringContains (errors.All()) "does not let this node in" "why")

                      use node =
                          Cnn.start [ "node"; "--join"; join; "--cert"; Certificates.node ours "b" ] folder

                      withLines node (fun errors ->
                          let ending = run.Next "end"

                          Expect.equal
                              (string ending["weights_sha256"])
                              (string (alone.Field("end", "weights_sha256")))
                              "the same bits"

                          Expect.isTrue (node.WaitForExit patience) "the node ends with the run"
                          Expect.equal node.ExitCode 0 (errors.All()))

                      for client in silent do
                          client.Dispose()

                      let code, errors = run.End()
                      Expect.equal code 0 errors
                      Expect.stringContains errors "to the control plane was turned away" "the stranger is named"
                  finally
                      if not home.HasExited then home.Kill true)
          }
          test "certificates that are missing, expired, another host's or of no use are refused before anything starts" {
              Cnn.inFolder (fun folder ->
                  let file = Cnn.write folder "net.cnn" script
                  let _, expired = Certificates.agedCluster folder "aged"
                  let far = Certificates.node (Certificates.cluster folder "far" [ "far" ]) "far"

                  let refused arguments (part: string) =
                      let result = Cnn.run folder ([ "train"; file ] @ arguments)
                      Expect.equal result.ExitCode 2 result.Error
                      Expect.stringContains result.Error part "why"

                  refused [ "--listen"; "192.0.2.77:0" ] "need certificates"
                  refused [ "--listen"; "0.0.0.0:0"; "--cert"; far ] "needs --host"
                  refused [ "--listen"; $"{address}:0"; "--cert"; expired ] "has expired"
                  refused [ "--listen"; "127.0.0.1:0"; "--cert"; far ] "is not for 127.0.0.1"
                  refused [ "--listen"; "127.0.0.1:0"; "--cert"; "nowhere" ] "nowhere"
                  refused [ "--cert"; far ] "need --listen")
          } ]
