module CnnCluster.Tests.Trainer.ProtobufMessageSerializerTests

open System.Runtime.Serialization
open Akka.Actor
open Akka.Configuration
open Expecto
open Google.Protobuf
open CnnCluster.Trainer.Protocol

let private withSerializer act =
    use system =
        ActorSystem.Create("serializer-test", "akka { loglevel = OFF, stdout-loglevel = OFF }")

    let settings = ConfigurationFactory.ParseString "identifier = 1"

    act (
        ProtobufMessageSerializer(system :?> ExtendedActorSystem),
        RefusingSerializer(system :?> ExtendedActorSystem, settings)
    )

[<Tests>]
let tests =
    testList
        "Trainer.ProtobufMessageSerializer"
        [ test "every message of the control plane survives the trip" {
              withSerializer (fun (serializer, _) ->
                  for descriptor in ClusterReflection.Descriptor.MessageTypes do
                      let message = descriptor.Parser.ParseFrom(ByteString.Empty)

                      let back =
                          serializer.FromBinary(serializer.ToBinary message, serializer.Manifest message)

                      Expect.equal back (box message) descriptor.Name)
          }
          test "values come back exactly" {
              withSerializer (fun (serializer, _) ->
                  let sums = EpochSums(Samples = 12345678901L, Loss = 0.1)
                  sums.Figures.Add [| 1.0 / 3.0; nan |]
                  let message = EpochTrained(Generation = 7L, Sums = sums)

                  let back =
                      serializer.FromBinary(serializer.ToBinary message, serializer.Manifest message)

                  Expect.equal back (box message) "the same message")
          }
          test "a type named by a peer is not deserialised" {
              withSerializer (fun (serializer, _) ->
                  Expect.throwsT<SerializationException>
                      (fun () -> serializer.FromBinary([||], "System.IO.FileInfo") |> ignore)
                      "unknown manifest")
          }
          test "an object that is no message is not written" {
              withSerializer (fun (serializer, _) ->
                  Expect.throwsT<SerializationException> (fun () -> serializer.ToBinary "text" |> ignore) "refused")
          }
          test "the stand-in for the default serializer neither reads nor writes" {
              withSerializer (fun (_, refusing) ->
                  Expect.throwsT<SerializationException> (fun () -> refusing.ToBinary "text" |> ignore) "write"

                  Expect.throwsT<SerializationException>
                      (fun () -> refusing.FromBinary([| 1uy |], "System.String") |> ignore)
                      "read"

                  Expect.equal refusing.Identifier 1 "it answers to the JSON serializer's number")
          } ]
