/// Folders of certificates for tests, good ones and bad ones.
module CnnCluster.Tests.Trainer.Security.Certificates

open System
open System.IO
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

/// A cluster of some age: the folder of a node of this machine, and that of one whose certificate is over.
let agedCluster folder name =
    let cluster = Path.Combine(folder, name)
    let old, fresh = NodeNames.Parse "old", NodeNames.Parse "localhost,127.0.0.1"
    CertificateFolders.Create(cluster, [| old |], now.AddDays -3.0, 2)
    CertificateFolders.AddNode(cluster, fresh, now, 30)
    CertificateFolders.OfNode(cluster, fresh), CertificateFolders.OfNode(cluster, old)
