/// Collectives of several ranks in one process, each rank on a thread of its own.
module CnnCluster.Tests.Kernels.Collectives.Ranks

open System
open System.Net
open System.Threading
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives

/// No rank may take longer, whatever happens to its peers.
let bound = TimeSpan.FromSeconds 60.0

let token = Array.init 16 (fun i -> byte (200 + i))

/// Runs work on one thread for each item; a failure is a result too.
let onThreads (items: 'a[]) (work: 'a -> 'b) : Result<'b, exn>[] =
    let results =
        Array.create items.Length (Error(TimeoutException "it did not return in time": exn))

    let threads =
        items
        |> Array.mapi (fun i item ->
            let run () =
                results[i] <-
                    try
                        Ok(work item)
                    with e ->
                        Error e

            let thread = Thread(run, IsBackground = true)
            thread.Start()
            thread)

    let deadline = DateTime.UtcNow + bound

    for thread in threads do
        thread.Join(max TimeSpan.Zero (deadline - DateTime.UtcNow)) |> ignore

    results

/// The results of work that no rank may fail in.
let all (results: Result<'a, exn>[]) =
    results
    |> Array.map (function
        | Ok value -> value
        | Error e -> raise (AggregateException e))

let inProcess (world: int) patience =
    InProcessGroup(WorldSize world, patience).Collectives() |> Seq.toArray

let endpoints (meshes: TcpMesh[]) =
    meshes |> Array.map (fun mesh -> struct ("127.0.0.1", mesh.Port))

let connectOver shared (mesh: TcpMesh) rank endpoints connectPatience operationPatience =
    mesh.Connect(Rank rank, endpoints, 7L, ReadOnlyMemory token, connectPatience, operationPatience, shared)

let connect mesh = connectOver false mesh

let private joined shared patience (meshes: TcpMesh[]) =
    try
        onThreads (Array.indexed meshes) (fun (rank, mesh) ->
            connectOver shared mesh rank (endpoints meshes) bound patience)
        |> all
    finally
        for mesh in meshes do
            mesh.Dispose()

let private listening world =
    Array.init world (fun _ -> TcpMesh.Listen IPAddress.Loopback)

let tcp world patience = joined false patience (listening world)

let sharedMemory world patience = joined true patience (listening world)

/// Ranks that share memory with those alone whose host has the same number.
let onHosts (hostOf: int list) patience =
    [| for host in hostOf -> TcpMesh.Listen(IPAddress.Loopback, null, null, Array.create 32 (byte host)) |]
    |> joined true patience

/// Hosts of threads, joined over TCP by their first ranks.
let hosts (sizes: int list) patience : ICollective[] =
    let locals = [| for size in sizes -> inProcess size patience |]

    let leaders: ICollective[] =
        if sizes.Length = 1 then
            [| new SoloCollective() |]
        else
            tcp sizes.Length patience

    [| for host, local in Array.indexed locals do
           for own, collective in Array.indexed local do
               let rank = Rank(List.sum (List.truncate host sizes) + own)
               let leader = if own = 0 then leaders[host] else null
               new HierarchicalCollective(rank, List.toArray sizes, collective, leader) |]

/// A world in three hosts, the first of which has most ranks; in fewer where it is small.
let private inHosts world =
    let first = (world + 1) / 2
    let second = (world - first + 1) / 2
    List.filter (fun size -> size > 0) [ first; second; world - first - second ]

let hierarchical world patience = hosts (inHosts world) patience

/// The same hosts of ranks that share memory.
let sharingHosts world patience =
    onHosts
        (inHosts world
         |> List.indexed
         |> List.collect (fun (host, size) -> List.replicate size host))
        patience

let disposing (collectives: ICollective[]) act =
    try
        act collectives
    finally
        for collective in collectives do
            collective.Dispose()

/// What work comes to on every rank of a world of threads, and on one that is alone; no rank may fail in it.
let onRanks world (work: ICollective -> 'a) =
    let collectives =
        if world = 1 then
            [| new SoloCollective() :> ICollective |]
        else
            inProcess world bound

    disposing collectives (fun collectives -> onThreads collectives work |> all)
