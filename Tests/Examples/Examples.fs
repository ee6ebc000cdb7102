/// The scripts of the folder `examples`, and their plans.
module CnnCluster.Tests.Examples.Examples

open System.IO
open CnnCluster.Dsl
open CnnCluster.Tests

let names =
    Directory.GetFiles(Repository.file "examples", "*.cnn")
    |> Array.map Path.GetFileNameWithoutExtension
    |> Array.sort

let source name : Source =
    { File = $"examples/{name}.cnn"
      Text = File.ReadAllText(Repository.file $"examples/{name}.cnn") }

/// The plan of a script's only network. Warnings count as mistakes here.
let planOf (source: Source) : NetworkPlan =
    let result = Script.Network(source, null, [], Catalogues.LayersOnly)
    if result.Diagnostics.Count > 0 then failwith result.Text else result.Value

/// The script with one piece of its text, which must be there once, replaced.
let edited (was: string) (becomes: string) (source: Source) : Source =
    if source.Text.Split(was).Length <> 2 then
        failwith $"{source.File} has '{was}' not just once"

    { source with
        Text = source.Text.Replace(was, becomes) }

let plan name = planOf (source name)

/// An example's network for images of another size than 224x224.
let planFor name height width =
    source name |> edited "224x224x3" $"{height}x{width}x3" |> planOf
