/// Folders of certificates for tests, good ones and bad ones.
module CnnCluster.Tests.Trainer.Security.Certificates

open System
open System.IO
open System.Net.Security
open System.Net.Sockets
open CnnCluster.Kernels.Collectives
open CnnCluster.Trainer.Security

let now = DateTimeOffset.UtcNow

/// A cluster's folder with nodes for the names.
let cluster folder name (hosts: string list) =
    let path = Path.Combine(folder, name)
    CertificateFolders.Create(path, hosts |> List.map NodeNames.Parse |> List.toArray, now, 30)
    path

let node (cluster: string) (host: string) = Path.Combine(cluster, host)

/// The folder of a node of this machine, in a new cluster.
let localNode folder name =
    node (cluster folder name [ "localhost,127.0.0.1" ]) "localhost"

/// Connections as a node with this folder makes them.
let tls folder =
    new MutualTls(ClusterIdentity.Read(folder, now))

/// A cluster of some age: its folder, that of a node of this name, and that of one whose certificate is over.
let agedClusterOf folder name (host: string) =
    let cluster = Path.Combine(folder, name)
    let old, fresh = NodeNames.Parse "old", NodeNames.Parse host
    CertificateFolders.Create(cluster, [| old |], now.AddDays -3.0, 2)
    CertificateFolders.AddNode(cluster, fresh, now, 30)
    cluster, CertificateFolders.OfNode(cluster, fresh), CertificateFolders.OfNode(cluster, old)

/// The same of this machine: the folder of a node, and that of one whose certificate is over.
let agedCluster folder name =
    let _, fresh, old = agedClusterOf folder name "localhost,127.0.0.1"
    fresh, old

/// Shows the certificates of a folder without looking at them first, as a stranger would.
let showing node =
    new MutualTls(ClusterIdentity.ReadFiles node)

/// Shows the certificate of another authority, though it trusts the one of a node.
let foreign folder name host node =
    let theirs =
        Path.Combine(cluster folder name [ host ], NodeNames.Parse(host).Folder)

    File.Copy(Path.Combine(node, "ca.pem"), Path.Combine(theirs, "ca.pem"), true)
    showing theirs

/// TLS without showing a certificate, and with any server.
let withoutCertificate =
    { new IConnectionSecurity with
        member _.AcceptAsync(_, _) =
            raise (NotSupportedException "it only connects")

        member _.ConnectAsync(connection, host, cancellation) =
            task {
                let trusting = RemoteCertificateValidationCallback(fun _ _ _ _ -> true)
                let stream = new SslStream(connection, false, trusting)

                do! stream.AuthenticateAsClientAsync(SslClientAuthenticationOptions(TargetHost = host), cancellation)
                return stream :> Stream
            } }
