module CnnCluster.Tests.Trainer.Storage.TemporaryFolder

open System.IO

/// A folder of the test's own, deleted afterwards.
let inFolder act =
    let folder = Directory.CreateTempSubdirectory "cnn-tests-"

    try
        act folder.FullName
    finally
        folder.Delete true

/// The names in a folder, hidden ones too, in ordinal order.
let names folder =
    Directory.EnumerateFileSystemEntries folder
    |> Seq.map Path.GetFileName
    |> Seq.sortWith (fun a b -> System.String.CompareOrdinal(a, b))
    |> List.ofSeq
