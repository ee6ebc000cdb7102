module CnnCluster.Tests.Trainer.Security.MutualTlsTests

open System
open System.Collections.Concurrent
open System.IO
open System.Net
open Expecto
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Cli
open CnnCluster.Tests.Trainer.Security
open CnnCluster.Trainer.Security
open CnnCluster.Trainer.StateChannel

let private token = Array.init 16 byte
let private content = Array.init 300_000 (fun i -> byte (i * 31))

let private send (security: IConnectionSecurity) (host: string) port =
    StateSender.Send(
        host,
        port,
        ReadOnlySpan token,
        "state",
        Action<_>(fun stream -> stream.Write(ReadOnlySpan content)),
        security
    )

/// A home with the certificates of a folder, whom a stranger and then a member, who calls it by a name, send a state
/// to. The stranger fails as a connection does, and only the member's state comes. What the stranger was told.
let private visited home memberCallsIt stranger =
    let arrived = ConcurrentQueue<byte[]>()

    let keep (stream: Stream) =
        use memory = new MemoryStream()
        stream.CopyTo memory
        arrived.Enqueue(memory.ToArray())

    use receiver =
        new StateReceiver(IPAddress.Loopback, token, Action<_, _>(fun _ stream -> keep stream), Certificates.tls home)

    let told =
        Expect.throwsC (fun () -> stranger receiver.Port) (fun e ->
            Expect.isTrue (e :? IOException) $"a failure of the connection, not {e}"
            e.Message)

    Expect.isEmpty arrived "nothing of the stranger's"
    send (Certificates.tls home) memberCallsIt receiver.Port
    Expect.sequenceEqual arrived [ content ] "the member's, whole"
    told

let private turnedAway stranger =
    Cnn.inFolder (fun folder ->
        let home = Certificates.localNode folder "ours"
        visited home "127.0.0.1" (stranger folder) |> ignore)

[<Tests>]
let tests =
    testList
        "Trainer.Security.tls"
        [ test "who speaks no TLS is turned away, though he has the token" {
              turnedAway (fun _ -> send PlainConnections.Instance "127.0.0.1")
          }
          test "who has a certificate of another cluster is turned away" {
              turnedAway (fun folder -> send (Certificates.tls (Certificates.localNode folder "theirs")) "127.0.0.1")
          }
          test "who trusts our authority but has another's certificate is turned away by the home itself" {
              turnedAway (fun folder ->
                  let ours = Path.Combine(folder, "ours")
                  send (Certificates.foreign folder "theirs" "localhost,127.0.0.1" ours) "127.0.0.1")
          }
          test "who has an expired certificate of our cluster is turned away by the home itself" {
              Cnn.inFolder (fun folder ->
                  let home, old = Certificates.agedCluster folder "ours"
                  visited home "127.0.0.1" (send (Certificates.showing old) "127.0.0.1") |> ignore)
          }
          test "who shows no certificate is turned away" {
              turnedAway (fun _ -> send Certificates.withoutCertificate "127.0.0.1")
          }
          test "a home whose certificate is for another name is not sent anything" {
              Cnn.inFolder (fun folder ->
                  let home =
                      Certificates.node (Certificates.cluster folder "ours" [ "localhost" ]) "localhost"

                  let told = visited home "localhost" (send (Certificates.tls home) "127.0.0.1")
                  Expect.stringContains told "RemoteCertificateNameMismatch" "the name is what is wrong")
          } ]
